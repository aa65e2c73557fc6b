import { constants } from "node:fs";
import { access, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { parseTaxonomy } from "../config/taxonomy.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import type { Suggestion, SuggestionPlan } from "../jobs/suggest.ts";
import { codeOf } from "../state/files.ts";
import { checkTaxonomy } from "../taxonomies/check.ts";
import type { LabelRange } from "../taxonomies/proposal.ts";
import { proposedYaml } from "../taxonomies/taxonomy-yaml.ts";
import { confirm } from "./confirm.ts";
import { amount, count, type Look, left, money, moneyRange, right, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { asTyped, shellWord } from "./program.ts";
import { openScreen } from "./screen.ts";
import { makeTaxonomyCommand } from "./taxonomy-command.ts";

/** Above this a person is asked before. */
const ASK_ABOVE_USD = 0.5;
/** Long answers of a model that thinks first take longer than a classification. */
const ATTEMPT_MS = 300_000;

/** `querymill taxonomy suggest`: a model proposes categories from a sample of the user's own queries. */
export function suggestCommand(): Command {
  const command = makeTaxonomyCommand(
    "suggest",
    "Draws a sample of your queries and has a model propose categories with descriptions and examples, as a file to edit. A few calls; the price is told before.",
    `querymill taxonomy suggest --store mongodb://localhost/support --model openai/gpt-5-mini
querymill taxonomy suggest --sample 400 --labels 10..30 --output shop.yaml --dry-run`,
    { usage: "[options]", keys: [] },
  );
  command.addOption(new Option("--sample <n>", "queries that are drawn at random, 20 to 2,000 (default: 200)"));
  command.addOption(new Option("--labels <from..to>", "how many categories (default: 8..20)"));
  command.addOption(new Option("--output <file>", "where to (default: taxonomy.yaml)"));
  command.addOption(new Option("--overwrite", "replace an existing file"));
  command.addOption(new Option("--yes", "do it without asking, whatever it costs"));
  return addJobOptions(command, ["model", "baseUrl", "filter", "budget.usd", "dryRun"]).action(
    async (flags: Record<string, unknown>) => {
      process.exitCode = await suggestTaxonomy(flags);
    },
  );
}

async function suggestTaxonomy(given: Record<string, unknown>): Promise<number> {
  const { sample, labels, output: file, overwrite, yes, ...flags } = given;
  const size = sampleSize(sample);
  const range = labelRange(labels);
  const path = resolve(String(file ?? "taxonomy.yaml"));
  await refuseUnwritable(path, overwrite === true);
  const { settings: loaded, output, notes } = await loadJob(flags, true);
  const attemptMs = Math.max(loaded.deadlines.attemptMs, ATTEMPT_MS);
  const settings: JobSettings = { ...loaded, deadlines: { ...loaded.deadlines, attemptMs } };
  const { chooseAdapters } = await import("../jobs/wiring.ts");
  const { planSuggestion, suggest } = await import("../jobs/suggest.ts");
  const adapters = await chooseAdapters(settings);
  const plan = await planSuggestion(settings, adapters, { sample: size, labels: range });
  const screen = openScreen();
  const { texts, ...told } = plan;
  const say = (lines: readonly string[]): void => {
    if (!output.json && !output.quiet) screen.printWhole(lines);
  };
  if (output.json) screen.json({ event: "taxonomy:plan", sampled: texts.length, ...told, notes });
  say([...notes, ...planLines(plan, screen.look)]);
  refuseOverBudget(plan, settings);
  if (settings.dryRun) {
    say(["", "Nothing was asked, spent or written. Without --dry-run it is done."]);
    return 0;
  }
  if (yes !== true && plan.costUsd !== null && plan.costUsd.to > ASK_ABOVE_USD) {
    const price = moneyRange(plan.costUsd.from, plan.costUsd.to, "–");
    if (!(await confirm(`Ask ${plan.model} for about ${price}?`, "Spending that much"))) {
      say(["Nothing was asked."]);
      return 0;
    }
  }
  const found = await suggest(plan, settings, adapters, range);
  const day = new Date().toISOString().slice(0, 10);
  const yaml = proposedYaml(found.proposals, { sampled: texts.length, model: plan.model, day });
  const { version, dimensions } = parseTaxonomy(yaml, basename(path));
  await writeWhole(path, yaml);
  const shown = relative(process.cwd(), path) || path;
  const findings = checkTaxonomy(parseTaxonomy(yaml, shown)).length;
  if (output.json) {
    const categories = found.proposals.map(({ id, texts: own }) => ({
      id,
      items: own.length,
      share: own.length / texts.length,
    }));
    const { proposals: _, ...spent } = found;
    screen.json({
      event: "taxonomy:suggest",
      output: path,
      version,
      sampled: texts.length,
      categories,
      findings,
      ...spent,
    });
  } else
    screen.printWhole([
      ...(output.quiet ? [] : ["", ...categoryLines(found, texts.length, screen.look)]),
      "",
      `${screen.look.style("green", symbols(screen.look.ascii).ok)} ${count(dimensions[0]!.labels.length)} categories are in ${shown}, for ${money(found.costUsd)} in ${count(found.calls)} calls.`,
      ...(output.quiet ? [] : nextLines(shown, findings).map(asTyped)),
    ]);
  return 0;
}

function planLines(plan: SuggestionPlan, look: Look): string[] {
  const { texts, drawn, store, model, calls, inputTokens, outputTokens, costUsd } = plan;
  const { dash } = symbols(look.ascii);
  const unlike = drawn - texts.length;
  const row = (name: string, text: string): string => `  ${left(name, 9)}${text}`;
  return [
    row(
      "sample",
      `${count(texts.length)} queries of ${store}${unlike > 0 ? ` (${count(unlike)} drawn ones have no text, or the same)` : ""}`,
    ),
    row("by", model),
    row("calls", count(calls)),
    row(
      "tokens",
      `about ${amount(inputTokens)} in, ${amount(outputTokens.from)} ${dash} ${amount(outputTokens.to)} out`,
    ),
    row(
      "cost",
      costUsd === null
        ? "price unknown; give it in querymill.yaml under prices"
        : moneyRange(costUsd.from, costUsd.to, dash),
    ),
  ];
}

function categoryLines({ proposals, dropped }: Suggestion, sampled: number, look: Look): string[] {
  const sorted = proposals.reduce((sum, { texts }) => sum + texts.length, 0);
  const line = (id: string, items: number, more: string): string =>
    `  ${right(`${Math.round((items / sampled) * 100)} %`, 5)}  ${left(id, 30)} ${look.style("dim", more)}`.trimEnd();
  return [
    ...proposals.map(({ id, description, texts }) => line(id, texts.length, description)),
    line("other", sampled - sorted, "in no category"),
    ...(dropped > 0 ? [`  ${count(dropped)} smaller ones are left out: more fit with a larger --labels.`] : []),
  ];
}

function nextLines(file: string, findings: number): string[] {
  const name = shellWord(file);
  return [
    "",
    `  Read and edit it, then:     querymill taxonomy check ${name}${findings > 0 ? `    (${count(findings)} to look at)` : ""}`,
    `  A first look with it:       querymill run --taxonomy ${name} --limit 100`,
  ];
}

function refuseOverBudget({ costUsd }: SuggestionPlan, { budget }: JobSettings): void {
  if (budget !== null && costUsd !== null && costUsd.to > budget.usd)
    throw new QuerymillError(
      "USAGE",
      `This may cost ${money(costUsd.to)}, more than the budget of $${budget.usd}. Draw fewer queries with --sample, ask for fewer labels, or raise the budget.`,
    );
}

function sampleSize(given: unknown): number {
  if (given === undefined) return 200;
  const size = Number(given);
  if (Number.isInteger(size) && size >= 20 && size <= 2_000) return size;
  throw new QuerymillError("USAGE", `--sample: expected an integer from 20 to 2,000; got "${String(given)}".`);
}

function labelRange(given: unknown): LabelRange {
  if (given === undefined) return { from: 8, to: 20 };
  const [, from, to] = /^(\d{1,3})(?:\.\.|-)(\d{1,3})$/.exec(String(given)) ?? [];
  const range = { from: Number(from), to: Number(to) };
  if (range.from >= 2 && range.to <= 100 && range.from <= range.to) return range;
  throw new QuerymillError("USAGE", `--labels: expected a range such as 8..20, from 2 to 100; got "${String(given)}".`);
}

/** Before anything is spent: the file can be written, and takes nobody else's place. */
async function refuseUnwritable(path: string, overwrite: boolean): Promise<void> {
  const shown = relative(process.cwd(), path) || path;
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (there && !overwrite)
    throw new QuerymillError(
      "USAGE",
      `${shown} exists already and is not replaced unasked. Add --overwrite, or name another file with --output.`,
    );
  await access(dirname(path), constants.W_OK).catch((error: unknown) => {
    const why = codeOf(error) === "ENOENT" ? "there is no such folder" : "this user may not write there";
    throw new QuerymillError("USAGE", `${shown} cannot be written: ${why}. Name another file with --output.`);
  });
}

/** A reader sees the old file or the whole new one. */
async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new QuerymillError("STATE_UNWRITABLE", `${path} cannot be written: ${String(codeOf(error))}.`, {
      cause: error,
    });
  }
}
