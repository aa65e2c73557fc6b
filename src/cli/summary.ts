import type { ExecutionEnd, RunSnapshot } from "../events.ts";
import type { JobSettings } from "../job.ts";
import type { Taxonomy } from "../taxonomy.ts";
import * as f from "./format.ts";
import { noTextAdvice } from "./lines.ts";
import { savedWords } from "./saved.ts";
import { shares } from "./shares.ts";
import { endpointShares } from "./summary-endpoints.ts";

export interface SummaryOptions extends f.Look {
  readonly taxonomy: Taxonomy;
  /** Printable address of the store, without credentials. */
  readonly store: string;
  readonly target: string;
  /** Where local state lies, as the user would write it. */
  readonly state: string;
  readonly budget: JobSettings["budget"];
  /** Sentiment and urgency were told offline, without examples. */
  readonly toneByWordLists: boolean;
  /** Records of which the model was unsure; null when not counted. */
  readonly needsReview: number | null;
  /** Items that were found; null when unknown. */
  readonly total: number | null;
  /** As they stood at the end. */
  readonly endpoints: RunSnapshot["endpoints"];
  /** Commands to try next with what they do; see {@link nextCommands}. */
  readonly next: readonly { readonly command: string; readonly does: string }[];
}

const WIDEST = 100;
const MOST_ROWS = 7;
const BAR = 40;

/** What stays in the scrollback when an execution is over; the last line says the exit code and why. */
export function renderSummary(end: ExecutionEnd, options: SummaryOptions): string[] {
  const look = { ...options, columns: Math.min(options.columns, WIDEST) };
  const lines = [title(end, look), "", ...sumLine(end, look), ...notRead(end, look)];
  if (end.classified > 0) lines.push("", ...distributions(end, look));
  if (options.needsReview !== null && end.classified > 0)
    lines.push(
      "",
      row("Review", `${f.count(options.needsReview)} records say needsReview: it was unsure of them`, look),
    );
  if (end.skipped > 0) lines.push("", ...skippedLines(end, look));
  const answered = endpointShares(options.endpoints, end.durationMs, look);
  if (answered.length > 0) lines.push("", ...answered);
  lines.push("", ...money(end, look), ...places(end, look));
  if (end.message !== null) lines.push("", `  ${f.printable(end.message)}${budgetWords(end, options.budget)}`);
  if (options.next.length > 0) lines.push("", "  Next", ...commands(look));
  lines.push(exitLine(end, look));
  return lines;
}

/** `read 10 = classified 8 + …  ✔ adds up`: computed from the counters, not claimed. */
export function sumLine(end: ExecutionEnd, { ascii, style, columns }: f.Look): string[] {
  const mark = f.symbols(ascii);
  const parts = end.classified + end.skipped + end.retryQueued + end.deadLetters + end.inFlight;
  const flight = end.inFlight > 0 ? ` + in flight ${f.count(end.inFlight)}` : "";
  const sum = `  read ${f.count(end.read)} = classified ${f.count(end.classified)} + skipped ${f.count(end.skipped)} + retry queued ${f.count(end.retryQueued)} + dead letters ${f.count(end.deadLetters)}${flight}`;
  const verdict =
    parts === end.read
      ? style("green", `${mark.ok} adds up`)
      : style("red", `${mark.bad} does not add up: the parts make ${f.count(parts)}`);
  if (f.widthOf(sum) + 2 + f.widthOf(verdict) <= columns) return [`${sum}  ${verdict}`];
  return [...sum.split(/ (?=[=+] )/).map((part, index) => (index === 0 ? part : `    ${part}`)), `    ${verdict}`];
}

/** What to do about what is left, most urgent first, for the same job; a retry asks the same model. */
export function nextCommands(
  end: ExecutionEnd,
  { jobFlags, modelFlags }: { readonly jobFlags: string; readonly modelFlags: string },
  example: string | null,
): SummaryOptions["next"] {
  const again = jobFlags === "" ? "" : ` ${jobFlags}`;
  const asked = modelFlags === "" ? again : `${again} ${modelFlags}`;
  const [reason, number] = Object.entries(end.deadLetterReasons).sort((a, b) => b[1] - a[1])[0] ?? [null, 0];
  const next: { command: string; does: string }[] = [];
  if (reason !== null && /^[\w-]+$/.test(reason))
    next.push({
      command: `querymill retry --error ${reason} --dry-run${asked}`,
      does: `what ${f.count(number)} dead letters would cost`,
    });
  else if (end.retryQueued > 0)
    next.push({
      command: `querymill retry --dry-run${asked}`,
      does: `what the ${f.count(end.retryQueued)} that wait would cost`,
    });
  if (noTextAdvice(end).length > 0)
    next.push(
      { command: `querymill doctor --sample 3${again}`, does: "what the model would see" },
      { command: `querymill retry --skipped${again}`, does: "brings them back once they have a text" },
    );
  if (end.classified > 0)
    next.push({ command: `querymill export --format csv --output results.csv${again}`, does: "for a spreadsheet" });
  if (example !== null) next.push({ command: `querymill get ${example}${again}`, does: "one item with its attempts" });
  return next;
}

function title(end: ExecutionEnd, look: f.Look): string {
  const mark = f.symbols(look.ascii);
  const [symbol, format, words] = {
    completed: [mark.ok, "green", "finished"] as const,
    completed_with_failures: [mark.warn, "yellow", "finished with failures"] as const,
    stopped: [mark.rest, "yellow", `stopped${end.stopReason ? `: ${end.stopReason}` : ""}`] as const,
    failed: [mark.bad, "red", `failed${end.stopReason ? `: ${end.stopReason}` : ""}`] as const,
  }[end.status];
  const which = look.columns < 72 ? "" : `execution ${end.executionId} ${mark.dot} `;
  const start = `${look.style(format, symbol)} ${look.style("bold", end.job)} ${mark.dot} ${which}${words}`;
  return f.spread(
    start,
    `${f.duration(end.durationMs)} ${mark.dot} ${f.rate(end.itemsPerSecond)} items/s`,
    look,
    look.columns,
  );
}

function notRead(end: ExecutionEnd, { total, columns, style, ascii }: SummaryOptions): string[] {
  const lines: string[] = [];
  const quiet = end.waitingUntilQuiet;
  const left = total === null ? end.pending : Math.max(0, total - end.read - quiet);
  if (left > 0) lines.push(`  ${f.count(left)} not read yet.`);
  if (quiet > 0) lines.push(`  ${f.count(quiet)} wait until they have been quiet for long enough (source.quietFor).`);
  if (end.recovered > 0)
    lines.push(`  ${f.count(end.recovered)} of the classified were answered before and not asked again.`);
  if (end.damaged > 0) lines.push(`  ${f.count(end.damaged)} damaged records of local state were set aside.`);
  return lines.map((line) => style("dim", f.clip(line, columns, ascii)));
}

function distributions(end: ExecutionEnd, options: SummaryOptions): string[] {
  const dimensions = options.taxonomy.dimensions.filter(({ id }) => ["category", "sentiment", "urgency"].includes(id));
  const rows = dimensions.map((dimension) => {
    const counted = end.labels[dimension.id] ?? {};
    const listed = dimension.labels.map(({ id }) => ({ name: id, count: counted[id] ?? 0 }));
    const known = new Set(listed.map(({ name }) => name));
    const strange = Object.entries(counted).filter(([name]) => !known.has(name));
    const all = [...listed, ...strange.map(([name, count]) => ({ name, count }))];
    const none = end.classified - all.reduce((sum, { count }) => sum + count, 0);
    const open = dimension.choose === "one" && none > 0 ? [{ name: "none", count: none }] : [];
    return {
      id: dimension.id,
      rows: dimension.id === "category" ? [...mostFrequent(all), ...open] : [...all, ...open],
    };
  });
  const names = Math.min(28, Math.max(16, ...rows.flatMap(({ rows }) => rows.map(({ name }) => f.widthOf(name)))));
  const figures = Math.max(8, f.count(end.classified).length + 1);
  const width = Math.max(4, Math.min(BAR, options.columns - (4 + names + figures + 10 + 2)));
  return rows.flatMap(({ id, rows }) => [
    `  ${words(id, true)}${options.toneByWordLists && id !== "category" ? options.style("dim", "  by word lists: a hint") : ""}`,
    ...barRows(rows, { names, figures, width }, options),
  ]);
}

function barRows(
  rows: readonly { name: string; count: number }[],
  { names, figures, width }: { names: number; figures: number; width: number },
  { ascii, style }: f.Look,
): string[] {
  const tenths = shares(rows.map(({ count }) => count));
  const longest = Math.max(1, ...rows.filter(({ name }) => !isRest(name)).map(({ count }) => count));
  return rows.map(({ name, count }, index) => {
    const share = `${(tenths[index]! / 10).toFixed(1)} %`;
    const drawn = isRest(name)
      ? f.symbols(ascii).rule.repeat(Math.min(width, Math.round((count / longest) * width)))
      : style("cyan", f.bar(count / longest, width, ascii));
    const label = f.left(f.clip(name, names, ascii), names);
    return `    ${label}${f.right(f.count(count), figures)}${f.right(share, 10)}  ${drawn}`.trimEnd();
  });
}

/** The seven largest, and a row that closes the sum. */
function mostFrequent(rows: readonly { name: string; count: number }[]): { name: string; count: number }[] {
  const sorted = rows.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
  const rest = sorted.slice(MOST_ROWS);
  if (rest.length < 2) return sorted;
  return [
    ...sorted.slice(0, MOST_ROWS),
    { name: `${rest.length} others`, count: rest.reduce((sum, { count }) => sum + count, 0) },
  ];
}

function isRest(name: string): boolean {
  return / others$/.test(name);
}

/** Why items were skipped, most frequent reason first, and what to do when their text was not found. */
function skippedLines(end: ExecutionEnd, look: SummaryOptions): string[] {
  const reasons = Object.entries(end.skippedReasons).sort((a, b) => b[1] - a[1]);
  const words = reasons.map(([reason, items]) => `${f.count(items)} ${f.printable(reason)}`).join("   ");
  return [
    row("Skipped", words, look),
    ...noTextAdvice(end).flatMap((text) =>
      f.wrapped(text, look.columns - 12).map((line) => `${" ".repeat(12)}${line}`),
    ),
  ];
}

/** A budget that lets a stopped run go on: at least half as much again, in whole dollars from ten on. */
export function suggestedBudget(budget: NonNullable<JobSettings["budget"]>, end: ExecutionEnd): string {
  const usd = Math.max(budget.usd, spentOf(budget, end) ?? 0) * 1.5;
  if (usd >= 10) return String(Math.ceil(usd));
  return usd >= 0.1 ? (Math.ceil(usd * 100) / 100).toFixed(2) : String(Number(usd.toPrecision(2)));
}

function budgetWords(end: ExecutionEnd, budget: JobSettings["budget"]): string {
  if (end.stopReason !== "budget" || budget === null) return "";
  const spent = spentOf(budget, end);
  const said = spent === null ? "" : ` Spent so far: ${f.money(spent)} of ${f.money(budget.usd)} per ${budget.per}.`;
  return `${said} To go on, raise --budget above ${f.money(Math.max(budget.usd, spent ?? 0))}${budget.per === "day" || budget.per === "month" ? `, or wait for the next ${budget.per}` : ""}.`;
}

/** What the end tells of what the budget has paid, uncertain calls included; null when it does not tell. */
function spentOf({ per }: NonNullable<JobSettings["budget"]>, end: ExecutionEnd): number | null {
  const from = per === "run" ? end : per === "job" ? end.jobTotals : null;
  return from === null || from.costUsd === null ? null : from.costUsd + (from.uncertainUsd ?? 0);
}

function money(end: ExecutionEnd, options: SummaryOptions): string[] {
  const cached = end.cachedInputTokens > 0 ? ` (${f.amount(end.cachedInputTokens)} cached)` : "";
  const parts =
    end.inputTokens + end.outputTokens === 0
      ? []
      : [`${f.amount(end.inputTokens)} in${cached}`, `${f.amount(end.outputTokens)} out`];
  if (end.uncertainCalls > 0) parts.push(`${f.money(end.uncertainUsd)} uncertain`);
  const { budget } = options;
  const spent = budget === null ? null : spentOf(budget, end);
  const price =
    end.costUsd === null ? `unknown: ${f.count(end.unpricedCalls)} calls without a known price` : f.money(end.costUsd);
  const lines = [row("Cost", [price, ...parts].join("   "), options)];
  if (budget !== null)
    lines.push(
      row(
        "Budget",
        `${spent === null ? "" : `${f.money(spent)} of `}${f.money(budget.usd)} per ${budget.per}`,
        options,
      ),
    );
  if (end.hedgedCalls > 0) lines.push(row("Hedged", hedgedWords(end), options));
  const saved = savedWords(end);
  if (saved !== "") lines.push(row("Saved", saved, options));
  const masked = Object.entries(end.redacted).sort((a, b) => b[1] - a[1]);
  if (masked.length > 0)
    lines.push(row("Masked", masked.map(([kind, places]) => `${f.count(places)} ${kind}`).join("   "), options));
  return lines;
}

/** A second call costs about what calls cost on average; the one of the two that was cut off counts as uncertain. */
function hedgedWords({ hedgedCalls, modelCalls, costUsd, uncertainUsd }: ExecutionEnd): string {
  const calls = hedgedCalls === 1 ? "1 slow call was" : `${f.count(hedgedCalls)} slow calls were`;
  if (costUsd === null || uncertainUsd === null || modelCalls === 0) return `${calls} made twice`;
  const about = ((costUsd + uncertainUsd) / modelCalls) * hedgedCalls;
  return `${calls} made twice, for about ${f.money(about)} more (in the uncertain cost)`;
}

function places(end: ExecutionEnd, options: SummaryOptions): string[] {
  const dead = end.jobTotals.deadLetters;
  const queued = end.jobTotals.retryQueued;
  const kept = [
    dead > 0 ? `${f.count(dead)} dead letters` : "",
    queued > 0 ? `${f.count(queued)} in retry queues` : "",
  ];
  const state = [options.state, ...kept.filter((part) => part !== "")].join("   ");
  return [
    row("Results", `${f.count(end.jobTotals.classified)} records   ${options.target} in ${options.store}`, options),
    row("State", state, options),
  ];
}

function commands({ next, columns, style }: SummaryOptions): string[] {
  const widths = next.map(({ command }) => f.widthOf(command));
  const width = Math.max(0, ...widths.filter((cells) => cells <= columns - 40));
  return next.map(({ command, does }, index) => {
    const fits = widths[index]! <= width && columns - width - 6 >= f.widthOf(does);
    return `    ${style("cyan", f.left(command, fits ? width : 0))}${fits ? `  ${style("dim", does)}` : ""}`;
  });
}

function exitLine(end: ExecutionEnd, { style, columns, ascii }: SummaryOptions): string {
  const failed = [
    end.retryQueued > 0 ? `${f.count(end.retryQueued)} items of this execution are in retry queues` : "",
    end.deadLetters > 0 ? `${f.count(end.deadLetters)} items of this execution are dead letters` : "",
    end.damaged > 0 ? "damaged records were set aside" : "",
  ].filter((part) => part !== "");
  const why =
    end.exitCode === 0
      ? "all that was asked for is settled"
      : end.exitCode === 3
        ? failed.join(", ")
        : end.exitCode === 4
          ? end.stopReason === "budget"
            ? "the budget is spent; it goes on with a larger one"
            : "it stopped itself and can go on with the same command"
          : end.exitCode > 128
            ? "a signal; everything answered is stored and nothing is paid for twice"
            : (end.stopReason ?? end.status);
  return style("dim", f.clip(`exit ${end.exitCode}: ${why}`, columns, ascii));
}

function row(name: string, text: string, { columns, ascii }: f.Look): string {
  return f.clip(`  ${f.left(name, 10)}${f.printable(text)}`, columns, ascii);
}

function words(id: string, capital: boolean): string {
  const text = id.replaceAll("_", " ");
  return capital ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
