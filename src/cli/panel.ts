import { costRange, settled, slotAdvice } from "../estimation/finish.ts";
import type { RunSnapshot } from "../events.ts";
import { jobFlagOf } from "../job.ts";
import { withoutPassword } from "../redact.ts";
import { fleetWords } from "./fleet-words.ts";
import * as f from "./format.ts";
import { lagWords, waitWords } from "./lag-words.ts";
import { endpointTable, worstEndpoint } from "./panel-endpoints.ts";
import { type PanelOptions, renderLine, renderNarrow } from "./panel-narrow.ts";
import { savedWords } from "./saved.ts";
import { nextRuns } from "./schedule-words.ts";

const WIDEST = 100;
const NARROW = 72;
const ERROR_LINES = 3;
const LABEL = 14;

/**
 * One frame of the running panel. No line is wider than `columns`; the frame has fewer lines than `rows`. Below 72
 * columns it is the narrow form, below 40 columns or 12 rows one line. A window that is too low loses errors first, then
 * the second lines of endpoints, endpoints but the worst, tokens, the lines under the title; the sum stays.
 */
export function renderPanel(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { columns, rows, ascii } = options;
  const frame =
    columns < 40 || rows < 12
      ? [renderLine(snapshot, options)]
      : columns < NARROW
        ? renderNarrow(snapshot, options)
        : renderWide(snapshot, { ...options, columns: Math.min(columns, WIDEST) });
  return frame.map((line) => f.clip(line, columns, ascii).trimEnd());
}

function renderWide(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const parts = {
    title: title(snapshot, options),
    origin: origin(snapshot, options),
    bar: ["", ...progress(snapshot, options)],
    facts: facts(snapshot, options),
    tokens: tokens(snapshot, options),
    fleet: snapshot.fleet === undefined ? [] : [fields("Fleet", fleetWords(snapshot.fleet), options)],
    next: nextRuns(snapshot, options.columns),
    sum: ["", ...sum(snapshot, options)],
    endpoints: ["", ...endpointTable(snapshot, options, 2)],
    errors: ["", ...errors(snapshot, options)],
    foot: ["", ...foot(snapshot, options)],
  };
  const lines = (): string[] => Object.values(parts).flat();
  const room = options.rows - 1;
  if (lines().length > room) parts.errors = [];
  if (lines().length > room) parts.endpoints = ["", ...endpointTable(snapshot, options, 1)];
  if (lines().length > room)
    parts.endpoints = endpointTable({ ...snapshot, endpoints: worstEndpoint(snapshot.endpoints) }, options, 1);
  if (lines().length > room) parts.tokens = [];
  if (lines().length > room) parts.next = parts.next.slice(0, 1);
  if (lines().length > room) parts.origin = [];
  if (lines().length > room) parts.foot = parts.foot.slice(-1);
  if (lines().length > room) parts.endpoints = [];
  if (lines().length > room) parts.next = [];
  return lines().length > room ? [...parts.title, ...sum(snapshot, options)] : lines();
}

function title({ job, executionId, state, nowMs, startedAtMs }: RunSnapshot, options: PanelOptions): string[] {
  const { dot } = f.symbols(options.ascii);
  const start = `querymill ${dot} ${options.style("bold", job)} ${dot} execution ${executionId}`;
  const shown = state === "paused" ? options.style("yellow", "PAUSED") : state;
  return [f.spread(start, `${shown} ${f.duration(nowMs - startedAtMs)}`, options, options.columns)];
}

function origin(snapshot: RunSnapshot, { style, ascii, columns }: PanelOptions): string[] {
  const { store, source, target, model, taxonomyVersion, promptVersion } = snapshot;
  const { dot } = f.symbols(ascii);
  const from = `from  ${f.printable(withoutPassword(store))}  ${f.printable(source)}   to  ${f.printable(target)}`;
  const by = `by    ${f.printable(model)} ${dot} taxonomy ${taxonomyVersion} ${dot} prompt ${promptVersion}`;
  return [from, by].map((line) => style("dim", f.clip(line, columns, ascii)));
}

function progress(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { columns, ascii, style } = options;
  const done = settled(snapshot);
  const { total } = snapshot;
  if (total === null) return [f.right(`${f.count(done)} so far`, columns)];
  const whole = Math.max(total, done);
  const figure = f.right(f.count(done), f.count(whole).length);
  const numbers = `   ${figure} of ${f.count(whole)}`;
  const share = f.percent(done, whole);
  const width = columns - numbers.length - 2 - 10;
  const filled = f.bar(whole === 0 ? 1 : done / whole, width, ascii);
  const rest = (ascii ? "." : "░").repeat(Math.max(0, width - f.widthOf(filled)));
  return [`  ${style("green", filled)}${style("dim", rest)}${numbers}  ${f.right(share, 8)}`];
}

function facts(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { counters, history, nowMs, budget, slots } = { ...snapshot, ...options };
  const { dash } = f.symbols(options.ascii);
  const { finish } = history;
  const ends = finish ? f.momentRange(finish.fromMs, finish.toMs, nowMs, dash) : "?";
  const within = finish
    ? `in ${f.durationRange(Math.max(0, finish.fromMs - nowMs), Math.max(0, finish.toMs - nowMs), dash)}`
    : "";
  const cost = costRange(snapshot);
  const atEnd = cost ? `${f.moneyRange(cost.fromUsd, cost.toUsd, dash)} at the end` : "";
  const limit = budget ? `${f.money(budget.spentUsd)} of ${f.money(budget.usd)} per ${budget.per}` : "";
  const saved = savedWords(counters);
  const price = counters.costUsd === null ? "? (no known price)" : f.money(counters.costUsd);
  return [
    fields(
      "Rate",
      [
        `${f.rate(snapshot.itemsPerSecond)} items/s`,
        `${f.rate(snapshot.itemsPerSecondMean)} since the start`,
        `${f.count(slots.busy)} of ${f.count(slots.limit)} slots busy`,
      ],
      options,
    ),
    snapshot.mode === "continuous"
      ? fields("Lag", lagWords(snapshot.lag, nowMs, dash), options)
      : fields("Ends", [ends, within], options),
    fields("Cost", [price, atEnd, limit], options),
    ...(saved === "" ? [] : [`  ${f.left("Saved", 12)}${saved}`]),
  ];
}

function tokens({ counters }: RunSnapshot, options: PanelOptions): string[] {
  const cached = counters.cachedInputTokens > 0 ? `${f.amount(counters.cachedInputTokens)} of it cached` : "";
  const uncertain = counters.uncertainCalls > 0 ? `${f.money(counters.uncertainUsd)} uncertain` : "";
  const parts = [`${f.amount(counters.inputTokens)} in`, cached, `${f.amount(counters.outputTokens)} out`, uncertain];
  return [fields("Tokens", parts, options)];
}

/** The sum every frame shows: read = classified + skipped + retry queued + dead letters + in flight. */
function sum(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { counters, nowMs, backoff, oldestInFlightMs } = snapshot;
  const { columns, ascii, style } = options;
  const width = Math.max(7, f.count(Math.max(snapshot.total ?? 0, counters.read)).length);
  const row = (name: string, value: number, details: readonly string[], format?: f.StyleFormat): string => {
    const start = `  ${f.left(name, LABEL)}${f.right(f.count(value), width)}`;
    let line = value > 0 && format ? start.replace(name, style(format, name)) : start;
    let used = start.length;
    for (const [index, detail] of details.filter((text) => text !== "").entries()) {
      const gap = index === 0 ? 6 : 3;
      const text = f.clip(detail, columns - used - gap, ascii);
      if (index > 0 && text !== detail) break;
      line += " ".repeat(gap) + style("dim", text);
      used += gap + f.widthOf(text);
    }
    return line;
  };
  const queues = snapshot.retryQueues
    .filter((queue) => queue.count > 0)
    .map(
      ({ queue, count, nextDueMs }) =>
        `${f.count(count)} ${queue}${nextDueMs === null ? "" : ` at ${f.clock(nextDueMs).slice(0, 5)}`}`,
    );
  const oldest =
    oldestInFlightMs === null
      ? ""
      : `oldest ${f.duration(oldestInFlightMs)}, gives up at ${f.duration(snapshot.attemptTimeoutMs)}`;
  const rests =
    snapshot.endpoints.length > 0 && snapshot.endpoints.every(({ pausedUntilMs }) => pausedUntilMs !== null);
  const restUntilMs = Math.min(
    ...snapshot.endpoints.map(({ pausedUntilMs }) => pausedUntilMs ?? Number.POSITIVE_INFINITY),
  );
  const wakes =
    backoff.nextAtMs === null
      ? ""
      : rests && backoff.nextAtMs < restUntilMs
        ? `when the endpoint is asked again, ${restUntilMs > nowMs ? `at ${f.clock(restUntilMs)}` : "now"}`
        : backoff.nextAtMs <= nowMs
          ? "first again now"
          : `first again at ${f.clock(backoff.nextAtMs)}, in ${f.duration(backoff.nextAtMs - nowMs)}`;
  const why = backoff.count > 0 && backoff.reason ? f.printable(backoff.reason) : "";
  return [
    row("read", counters.read, notQuiet(snapshot)),
    row("= classified", counters.classified, [
      counters.recovered > 0 ? `${f.count(counters.recovered)} recovered` : "",
      counters.studentAnswers > 0 ? `${f.count(counters.studentAnswers)} student` : "",
      counters.cacheHits > 0 ? `${f.count(counters.cacheHits)} cache` : "",
    ]),
    row("+ skipped", counters.skipped, reasons(snapshot.skippedReasons)),
    row("+ retry queued", counters.retryQueued, queues, "yellow"),
    row("+ dead letters", counters.deadLetters, reasons(snapshot.deadLetterReasons), "red"),
    row("+ in flight", counters.inFlight, [oldest]),
    row("  in backoff", backoff.count, backoff.count > 0 ? [wakes, why] : []),
  ];
}

function notQuiet({ quiet }: RunSnapshot): string[] {
  if (quiet.items === 0) return [];
  const next = quiet.nextMs === null ? "" : `, the next at ${f.clock(quiet.nextMs).slice(0, 5)}`;
  return [`${f.count(quiet.items)} wait until they are quiet${next}`];
}

/** Three places from the start, so that the panel does not grow when something goes wrong. */
function errors(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { ascii, style, columns } = options;
  const mark = f.symbols(ascii);
  const newest = snapshot.errors.slice(-ERROR_LINES);
  const rows = newest.map(({ message, failure, endpoint, count, lastMs }) => {
    const passing = ["transient", "throttled", "unknown-outcome"].includes(failure);
    const symbol = passing ? style("yellow", mark.warn) : style("red", mark.bad);
    const text = `${f.printable(withoutPassword(message))}${endpoint ? ` ${mark.dot} ${f.printable(endpoint)}` : ""}`;
    const figures = `${f.right(f.count(count), 8)}   ${f.clock(lastMs)}`;
    return `  ${symbol} ${f.spread(text, figures, options, columns - 4)}`;
  });
  const head =
    newest.length === 0 ? "  Last errors   none" : f.spread("  Last errors", "count   last    ", options, columns);
  return [style("dim", head), ...rows, ...Array<string>(ERROR_LINES - rows.length).fill("")].map((line) =>
    f.clip(line, columns, ascii),
  );
}

/** Always three lines: advice or what is waited for, then the keys. */
function foot(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { style, ascii, columns, history } = options;
  const { to } = f.symbols(ascii);
  const { waiting, state, slots, nowMs, paused } = snapshot;
  const advice = slotAdvice(snapshot, history);
  const lines: string[] = [];
  if (state === "paused" && paused) {
    const why = paused.reason === null ? "" : `: ${f.printable(paused.reason)}`;
    const who = paused.by === null ? (paused.holder === "window" ? "the window of hours" : "the program") : paused.by;
    const text = `since ${f.clock(paused.sinceMs)} by ${f.printable(who)}${why}`;
    lines.push(style("yellow", `  ${f.left("PAUSED", 12)}${f.clip(text, columns - 14, ascii)}`));
    if (paused.holder === "operator")
      lines.push(style("dim", `  Go on with:  querymill control resume ${jobFlagOf(snapshot)}`));
  } else if (waiting) {
    const until =
      waiting.untilMs === null ? "" : ` until ${f.clock(waiting.untilMs)}, in ${f.duration(waiting.untilMs - nowMs)}`;
    const items = waiting.items > 0 ? `${f.count(waiting.items)} items: ` : "";
    const room = columns - 14 - items.length - until.length;
    const reason = f.clip(f.printable(waitWords(waiting.reason, snapshot.watch?.watching === true)), room, ascii);
    lines.push(style("yellow", `  ${f.left("Waiting", 12)}${items}${reason}${until}`));
  } else if (history.limit) {
    lines.push(`  ${to} ${f.clip(f.printable(history.limit.note), columns - 4, ascii)}`);
  } else if (advice) {
    lines.push(
      `  ${to} All ${advice.slots} slots are busy and the model is not the limit. With ${style("cyan", `--concurrent ${advice.instead}`)}`,
      `    the rest would take about ${f.duration(coarse(advice.insteadMs))} instead of ${f.duration(coarse(advice.restMs))}.`,
    );
  }
  const keys =
    state === "draining"
      ? `Draining: ${f.count(slots.busy)} calls come home first. Ctrl-C again stops at once.`
      : "Ctrl-C drains and stops";
  return [...lines, ...Array<string>(2 - lines.length).fill(""), style("dim", `  ${keys}`)];
}

function fields(name: string, parts: readonly string[], { columns }: PanelOptions): string {
  const widths = [17, 24, 14, 24];
  let line = `  ${f.left(name, 12)}`;
  for (const [index, part] of parts.filter((text) => text !== "").entries()) {
    const gap = index > 0 && !line.endsWith("  ") ? "  " : "";
    if (line.length + gap.length + part.length > columns) break;
    line += gap + f.left(part, widths[index] ?? 0);
  }
  return line.trimEnd();
}

function reasons(byReason: Readonly<Record<string, number>>): string[] {
  return Object.entries(byReason)
    .sort((a, b) => b[1] - a[1])
    .map(([reason, number]) => `${f.count(number)} ${f.printable(reason)}`);
}

/** Minutes without seconds, once there are some. */
function coarse(ms: number): number {
  return ms < 120_000 ? ms : Math.round(ms / 60_000) * 60_000;
}
