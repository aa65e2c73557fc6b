import type { Command } from "commander";
import { loadSettings } from "../config/load.ts";
import { BUILT_IN, readTaxonomyFile, type TaxonomyFile } from "../config/taxonomy-file.ts";
import { taxonomyPlaces } from "../config/taxonomy-places.ts";
import type { Position } from "../config/yaml-reader.ts";
import { QuerymillError } from "../errors.ts";
import { modelLabel } from "../job.ts";
import { ZERO_USAGE } from "../llm/usage.ts";
import { checkTaxonomy, type Finding, fixedPrompt, type Level } from "../taxonomies/check.ts";
import { count, type Look, left, moneyRange, symbols, wrapped } from "./format.ts";
import { openScreen } from "./screen.ts";
import { makeTaxonomyCommand } from "./taxonomy-command.ts";

type Placed = Finding & Partial<Position>;

/** What the taxonomy's part of every call costs. */
interface FixedCost {
  readonly tokens: { readonly from: number; readonly to: number };
  /** `provider/name`, or null when none is chosen. */
  readonly model: string | null;
  /** USD for 1,000 calls, without and with a provider's cache; null when the price is unknown or no model is chosen. */
  readonly usdPer1000: { readonly from: number; readonly to: number } | null;
  readonly usdPer1000Cached: { readonly from: number; readonly to: number } | null;
}

/** `querymill taxonomy check`: what in a taxonomy would fail or cost accuracy. */
export function checkCommand(): Command {
  const command = makeTaxonomyCommand(
    "check",
    "Looks for what in a taxonomy would fail, or cost accuracy and money. Asks no model and no store.",
    `querymill taxonomy check shop.yaml
querymill taxonomy check shop.yaml --model openai/gpt-5-mini --json`,
    { usage: "[options] [file]", keys: ["model", "baseUrl", "tenant", "config", "json"] },
  );
  command.argument("[file]", "YAML or JSON; default: the one of the settings, else the built-in one");
  return command.action(async (file: string | undefined, flags: Record<string, unknown>) => {
    process.exitCode = await check(file, flags);
  });
}

async function check(file: string | undefined, flags: Record<string, unknown>): Promise<number> {
  const screen = openScreen();
  const path = file ?? (await settingsOf(flags, false)).taxonomyFile ?? BUILT_IN;
  let read: TaxonomyFile;
  try {
    read = await readTaxonomyFile(path);
  } catch (error) {
    if (!(error instanceof QuerymillError) || error.code !== "TAXONOMY_INVALID") throw error;
    const findings = findingsOf(error.message, path);
    if (flags.json === true)
      screen.json({ event: "taxonomy:check", file: path, version: null, ...counts(findings), findings });
    else screen.printWhole([...findings.flatMap((one) => lines(one, path, screen.look)), "", verdict(findings)]);
    return 2;
  }
  const { name, text, taxonomy } = read;
  const placeOf = text === null ? null : taxonomyPlaces(text, name);
  const findings: Placed[] = checkTaxonomy(taxonomy)
    .map((found) => ({ ...found, ...placeOf?.(found.path) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  const cost = await costOf(flags, path, taxonomy);
  const errors = findings.filter(({ level }) => level === "error").length;
  if (flags.json === true) {
    screen.json({
      event: "taxonomy:check",
      file: text === null ? null : name,
      version: taxonomy.version,
      ...counts(findings),
      findings,
      fixedPrompt: cost,
    });
    return errors > 0 ? 2 : 0;
  }
  const { dot } = symbols(screen.look.ascii);
  const labels = taxonomy.dimensions.reduce((sum, dimension) => sum + dimension.labels.length, 0);
  const parts = [plural(taxonomy.dimensions.length, "dimension"), plural(labels, "label")];
  if (taxonomy.fields !== undefined) parts.push(plural(taxonomy.fields.length, "free field"));
  screen.printWhole([
    `${screen.look.style("bold", name)} ${dot} ${taxonomy.version} ${dot} ${parts.join(", ")}`,
    "",
    ...findings.flatMap((one) => lines(one, text === null ? null : name, screen.look)),
    ...(findings.length > 0 ? [""] : []),
    ...costLines(cost, screen.look),
    "",
    verdict(findings),
  ]);
  return errors > 0 ? 2 : 0;
}

/** The problems of a file that cannot be read, one a line: `file:line:column path: text`. */
function findingsOf(message: string, file: string): Placed[] {
  return message.split("\n").map((line) => {
    const rest = line.startsWith(`${file}:`) ? line.slice(file.length) : "";
    const [, row, column, path = "", text = line] = /^:(\d+):(\d+) (?:([\w.[\]]+): )?(.*)$/.exec(rest) ?? [];
    const place = row === undefined ? {} : { line: Number(row), column: Number(column) };
    return { level: "error", rule: "invalid", path, text, ...place };
  });
}

async function settingsOf(flags: Record<string, unknown>, needsModel: boolean) {
  // Nothing is asked: a price needs no key.
  const { QUERYMILL_API_KEY, QUERYMILL_API_KEY_FILE } = process.env;
  const hasKey = QUERYMILL_API_KEY !== undefined || QUERYMILL_API_KEY_FILE !== undefined;
  const env = hasKey ? process.env : { ...process.env, QUERYMILL_API_KEY: "none" };
  return await loadSettings({ flags, env, cwd: process.cwd(), needsModel });
}

/** The price by the model of the settings; none is needed. */
async function costOf(
  flags: Record<string, unknown>,
  path: string,
  taxonomy: TaxonomyFile["taxonomy"],
): Promise<FixedCost> {
  const { tokens } = fixedPrompt(taxonomy);
  const chosen = await settingsOf({ ...flags, ...(path === BUILT_IN ? {} : { taxonomy: path }) }, true).catch(
    (error: unknown) => {
      if (error instanceof QuerymillError && error.code === "MODEL_NOT_CHOSEN") return null;
      throw error;
    },
  );
  if (chosen === null) return { tokens, model: null, usdPer1000: null, usdPer1000Cached: null };
  const { chooseAdapters } = await import("../jobs/wiring.ts");
  const { settings } = chosen;
  const { costOf: priced } = (await chooseAdapters(settings)).pricingOf(settings.endpoints[0]!);
  const usd = (isCached: boolean) => {
    const [from, to] = [tokens.from, tokens.to].map((each) => {
      const inputTokens = each * 1_000;
      return priced({ ...ZERO_USAGE, inputTokens, cachedInputTokens: isCached ? inputTokens : 0 }, settings.model.name);
    });
    return typeof from === "number" && typeof to === "number" ? { from, to } : null;
  };
  return { tokens, model: modelLabel(settings.model), usdPer1000: usd(false), usdPer1000Cached: usd(true) };
}

function costLines({ tokens, model, usdPer1000, usdPer1000Cached }: FixedCost, look: Look): string[] {
  const { dash } = symbols(look.ascii);
  const price =
    usdPer1000 === null
      ? model === null
        ? "name a model with --model to see what that costs"
        : `the price of ${model} is not known; give it in querymill.yaml under prices`
      : `${moneyRange(usdPer1000.from, usdPer1000.to, dash)} for 1,000 calls of ${model}${
          usdPer1000Cached === null || usdPer1000Cached.to === usdPer1000.to
            ? ""
            : `, ${moneyRange(usdPer1000Cached.from, usdPer1000Cached.to, dash)} where the provider's cache holds it`
        }`;
  return [
    `  every call   about ${count(tokens.from)} ${dash} ${count(tokens.to)} tokens of taxonomy before the text`,
    `               ${price}`,
  ];
}

function lines({ level, path, text, line, column }: Placed, file: string | null, look: Look): string[] {
  const { bad, warn, dot } = symbols(look.ascii);
  const [symbol, format] = ({ error: [bad, "red"], warning: [warn, "yellow"], hint: [dot, "dim"] } as const)[level];
  const place =
    file === null || line === undefined ? path : `${file}:${line}:${column}${path === "" ? "" : ` ${path}`}`;
  const width = process.stdout.isTTY ? look.columns - 4 : Number.POSITIVE_INFINITY;
  return [
    `${look.style(format, left(symbol, look.ascii ? 3 : 2))}${look.style("bold", place)}`,
    ...wrapped(text, width).map((part) => `    ${part}`),
  ];
}

function counts(findings: readonly Placed[]): { errors: number; warnings: number; hints: number } {
  const of = (wanted: Level): number => findings.filter(({ level }) => level === wanted).length;
  return { errors: of("error"), warnings: of("warning"), hints: of("hint") };
}

function verdict(findings: readonly Placed[]): string {
  const { errors, warnings, hints } = counts(findings);
  if (errors + warnings + hints === 0) return "Nothing to mend.";
  const parts = [
    errors > 0 ? plural(errors, "error") : "",
    warnings > 0 ? plural(warnings, "warning") : "",
    hints > 0 ? plural(hints, "hint") : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function plural(items: number, name: string): string {
  return `${count(items)} ${name}${items === 1 ? "" : "s"}`;
}
