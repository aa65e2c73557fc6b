import type { RunSnapshot } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import type { TenantSnapshot } from "../tenants/lane.ts";
import * as f from "./format.ts";
import { waitWords } from "./lag-words.ts";

export interface TenantsPanelOptions extends f.Look {
  /** Of the window: the panel has fewer lines. */
  readonly rows: number;
  readonly nowMs: number;
  readonly startedAtMs: number;
  readonly draining: boolean;
}

const WIDEST = 120;
/** Below it words are short, so that what a tenant waits for has room at 80 columns. */
const NARROW = 100;
const LONGEST_NAME = { narrow: 16, wide: 24 };
/** Title, blank, head, sum, blank, foot. */
const AROUND = 6;

/** What a line says of a tenant. */
interface Cells {
  readonly name: string;
  readonly state: string;
  readonly done: string;
  readonly rate: string;
  readonly cost: string;
  readonly what: string;
  readonly format: f.StyleFormat | null;
}

/**
 * One frame: a line for each tenant with its state, how far it is, its rate and cost, and what it waits for or why it does
 * not run; below them all together. No line is wider than the window. Where it is too low, those that need nobody and do
 * nothing go first, and their number is told.
 */
export function renderTenants(tenants: readonly TenantSnapshot[], options: TenantsPanelOptions): string[] {
  const columns = Math.min(options.columns, WIDEST);
  const { ascii, style, nowMs, startedAtMs } = options;
  const { dot } = f.symbols(ascii);
  const room = Math.max(1, options.rows - 1 - AROUND);
  const shown = tenants.length <= room ? tenants : mostTelling(tenants, room - 1);
  const hidden = tenants.length - shown.length;
  const narrow = columns < NARROW;
  const rows = shown.map((one) => cellsOf(one, nowMs, ascii, narrow));
  const all = sumOf(tenants, narrow);
  const head: Cells = {
    ...{ name: "tenant", state: "state", done: "done", rate: "rate", cost: "cost", what: "" },
    format: "dim",
  };
  const widths = widthsOf([head, ...rows, all]);
  const line = (cells: Cells): string => lineOf(cells, widths, columns, ascii, style);
  const title = `querymill ${dot} ${tenants.length} ${tenants.length === 1 ? "tenant" : "tenants"}`;
  const foot = options.draining
    ? "Draining: calls in flight come home first. Ctrl-C again stops at once."
    : "Ctrl-C drains and stops all";
  return [
    f.spread(style("bold", title), `${statesOf(tenants)}  ${f.duration(nowMs - startedAtMs)}`, options, columns),
    "",
    style("dim", line(head)),
    ...rows.map(line),
    ...(hidden === 0 ? [] : [style("dim", `  and ${hidden} more`)]),
    line(all),
    "",
    style("dim", `  ${foot}`),
  ].map((text) => f.clip(text, columns, ascii).trimEnd());
}

/** A table of what became of each, without the words of a live panel. */
export function tenantTable(tenants: readonly TenantSnapshot[], nowMs: number, look: f.Look): string[] {
  const columns = Math.min(look.columns, WIDEST);
  const narrow = columns < NARROW;
  const rows = [...tenants.map((one) => cellsOf(one, nowMs, look.ascii, narrow)), sumOf(tenants, narrow)];
  const widths = widthsOf(rows);
  return rows.map((cells) => lineOf(cells, widths, columns, look.ascii, look.style).trimEnd());
}

function cellsOf(
  { name, state, run, end, problem, nextTryMs }: TenantSnapshot,
  nowMs: number,
  ascii: boolean,
  narrow: boolean,
): Cells {
  const { bad, rest, ok } = f.symbols(ascii);
  const base = {
    name: f.clip(name, narrow ? LONGEST_NAME.narrow : LONGEST_NAME.wide, ascii),
    done: run === null ? "" : doneOf(settledOf(run), run.total, narrow),
    rate: run !== null && state === "running" ? `${f.rate(run.itemsPerSecond)}/s` : "",
    cost: run === null ? "" : f.money(run.jobTotals?.costUsd ?? run.counters.costUsd),
  };
  if (state === "failed") {
    const again = nextTryMs === null ? "" : `again at ${f.clock(nextTryMs).slice(0, 5)}: `;
    return { ...base, state: `${bad} failed`, what: again + oneLine(problem ?? ""), format: "red" };
  }
  if (state === "ended") {
    const well = end === null || end.exitCode === 0;
    const why = end?.message == null ? (end?.status ?? "").replaceAll("_", " ") : oneLine(end.message);
    return {
      ...base,
      state: `${well ? ok : bad} ended`,
      what: withFailed(run, why),
      format: well ? "green" : "yellow",
    };
  }
  if (state === "paused") return { ...base, state: `${rest} paused`, what: pausedWords(run), format: "yellow" };
  const what = run === null ? "" : state === "waiting" ? waitingWords(run, nowMs, narrow) : endpointWords(run);
  return { ...base, state, what: withFailed(run, what), format: state === "running" ? "green" : null };
}

function settledOf({ counters: { classified, skipped, retryQueued, deadLetters } }: RunSnapshot): number {
  return classified + skipped + retryQueued + deadLetters;
}

/** `120 of 300`; where there is little room for many, `161,354 64.9 %`. */
function doneOf(done: number, total: number | null, narrow: boolean): string {
  if (total === null) return f.count(done);
  const whole = Math.max(total, done);
  return narrow && whole >= 10_000
    ? `${f.count(done)} ${f.percent(done, whole)}`
    : `${f.count(done)} of ${f.count(whole)}`;
}

function withFailed(run: RunSnapshot | null, what: string): string {
  const failed = run === null ? 0 : run.counters.retryQueued + run.counters.deadLetters;
  return [failed > 0 ? `${f.count(failed)} failed` : "", what].filter((part) => part !== "").join(", ");
}

/** Waits that come again and again, shorter. */
const SHORT: Readonly<Record<string, string>> = { "next scheduled time": "next run", "next poll": "next poll" };

function waitingWords({ waiting, watch }: RunSnapshot, nowMs: number, narrow: boolean): string {
  if (waiting === null) return "";
  const { reason, untilMs } = waiting;
  if (narrow && untilMs !== null && SHORT[reason] !== undefined)
    return `${SHORT[reason]} ${f.clock(untilMs).slice(0, reason === "next poll" ? 8 : 5)}`;
  const until = untilMs === null ? "" : `, in ${f.duration(untilMs - nowMs)}`;
  return `${oneLine(waitWords(reason, watch?.watching === true))}${until}`;
}

function pausedWords(run: RunSnapshot | null): string {
  const paused = run?.paused;
  if (paused == null) return "querymill tenants resume";
  const who = paused.by === null ? "" : ` by ${f.printable(paused.by)}`;
  return `since ${f.clock(paused.sinceMs).slice(0, 5)}${who}${paused.reason === null ? "" : `: ${oneLine(paused.reason)}`}`;
}

/** Why calls do not go out as they could. */
function endpointWords({ endpoints, backoff }: RunSnapshot): string {
  const trouble = endpoints.find(({ state }) => state !== "open");
  if (trouble !== undefined)
    return `${trouble.name}: ${oneLine(trouble.stateReason ?? trouble.pauseReason ?? trouble.state)}`;
  return backoff.count > 0 ? `${f.count(backoff.count)} in backoff` : "";
}

function sumOf(tenants: readonly TenantSnapshot[], narrow: boolean): Cells {
  let [done, total, rate] = [0, 0 as number | null, 0];
  let cost: number | null = 0;
  for (const { run, state } of tenants) {
    if (run === null) continue;
    const own = settledOf(run);
    done += own;
    total = total === null || run.total === null ? null : total + Math.max(run.total, own);
    if (state === "running") rate += run.itemsPerSecond;
    const usd = run.jobTotals === null ? run.counters.costUsd : run.jobTotals.costUsd;
    cost = cost === null || usd === null ? null : cost + usd;
  }
  return {
    name: "all",
    state: "",
    done: doneOf(done, total, narrow),
    rate: rate > 0 ? `${f.rate(rate)}/s` : "",
    cost: f.money(cost),
    what: "",
    format: null,
  };
}

/** `2 running, 1 waiting` */
function statesOf(tenants: readonly TenantSnapshot[]): string {
  const counts = new Map<string, number>();
  for (const { state } of tenants) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, number]) => `${number} ${state}`).join(", ");
}

/** Those of which there is something to tell, in their order. */
function mostTelling(tenants: readonly TenantSnapshot[], room: number): TenantSnapshot[] {
  const rank = ({ state }: TenantSnapshot): number =>
    ["failed", "running", "draining", "recovering", "starting", "paused", "waiting", "ended", "removed"].indexOf(state);
  const first = new Set([...tenants].sort((a, b) => rank(a) - rank(b)).slice(0, Math.max(0, room)));
  return tenants.filter((one) => first.has(one));
}

type Widths = Readonly<Record<"name" | "state" | "done" | "rate" | "cost", number>>;

function widthsOf(rows: readonly Cells[]): Widths {
  const widest = (key: keyof Widths): number => Math.max(...rows.map((row) => f.widthOf(row[key])));
  return {
    name: widest("name"),
    state: widest("state"),
    done: widest("done"),
    rate: widest("rate"),
    cost: widest("cost"),
  };
}

function lineOf(cells: Cells, widths: Widths, columns: number, ascii: boolean, style: f.Style): string {
  const state = f.left(cells.state, widths.state);
  const start = [
    `  ${f.left(cells.name, widths.name)}`,
    cells.format === null || cells.format === "dim" ? state : style(cells.format, state),
    f.right(cells.done, widths.done),
    f.right(cells.rate, widths.rate),
    f.right(cells.cost, widths.cost),
  ].join("  ");
  const left = columns - f.widthOf(start) - 2;
  return left < 8 || cells.what === "" ? start : `${start}  ${f.clip(cells.what, left, ascii)}`;
}

function oneLine(text: string): string {
  return f.printable(withoutPassword(text.split("\n")[0]!));
}
