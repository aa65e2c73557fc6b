import { costRange, type PanelHistory, settled } from "../estimation/finish.ts";
import type { RunSnapshot } from "../events.ts";
import * as f from "./format.ts";
import { lagWords } from "./lag-words.ts";
import { narrowEndpoint } from "./panel-endpoints.ts";

/** What a frame is drawn for. */
export interface PanelOptions extends f.Look {
  readonly rows: number;
  readonly history: PanelHistory;
}

/** The panel for 40 to 71 columns. */
export function renderNarrow(snapshot: RunSnapshot, options: PanelOptions): string[] {
  const { columns, ascii, style, rows, history } = options;
  const mark = f.symbols(ascii);
  const { counters, nowMs, total, waiting } = snapshot;
  const done = settled(snapshot);
  const whole = Math.max(total ?? 0, done);
  const line = (start: string, end: string): string => f.spread(start, end, options, columns);
  const { finish } = history;
  const ends = finish ? f.momentRange(finish.fromMs, finish.toMs, nowMs, mark.dash) : "?";
  const within = finish
    ? `in ${f.durationRange(Math.max(0, finish.fromMs - nowMs), Math.max(0, finish.toMs - nowMs), mark.dash)}`
    : "";
  const [lag = "", oldest = ""] = lagWords(snapshot.lag, nowMs, mark.dash);
  const cost = costRange(snapshot);
  const forecast = cost ? ` ${mark.to} ${f.moneyRange(cost.fromUsd, cost.toUsd, mark.dash)}` : "";
  const top = [
    line(
      `querymill ${mark.dot} ${style("bold", snapshot.job)}`,
      `${snapshot.state} ${f.duration(nowMs - snapshot.startedAtMs)}`,
    ),
    total === null ? "" : line(progressBar(done, whole, columns - 10, options), f.percent(done, whole)),
    line(
      total === null ? `${f.count(done)} so far` : `${f.count(done)} of ${f.count(whole)}`,
      `${f.rate(snapshot.itemsPerSecond)} items/s`,
    ),
    snapshot.mode === "continuous" ? line(`lag    ${lag}`, oldest) : line(`ends   ${ends}`, within),
    line(`cost   ${f.money(counters.costUsd)}${forecast}`, snapshot.budget ? `of ${f.money(snapshot.budget.usd)}` : ""),
  ].filter((text) => text !== "");
  const { paused } = snapshot;
  const bottom = [
    paused
      ? style(
          "yellow",
          f.clip(
            `PAUSED by ${f.printable(paused.by ?? paused.holder)}${paused.reason === null ? "" : `: ${f.printable(paused.reason)}`}`,
            columns,
            ascii,
          ),
        )
      : waiting
        ? `Waiting: ${f.printable(waiting.reason)}${waiting.untilMs === null ? "" : ` until ${f.clock(waiting.untilMs)}`}`
        : "",
    style("dim", snapshot.state === "draining" ? "Draining. Ctrl-C again stops at once" : "Ctrl-C drains and stops"),
  ].filter((text) => text !== "");
  const room = Math.max(0, rows - 1 - top.length - bottom.length - sum(snapshot, columns).length);
  return [...top, ...sum(snapshot, columns), ...trouble(snapshot, options).slice(0, room), ...bottom];
}

/** The panel of a very small window: what fits of done, rate, finish, cost. */
export function renderLine(snapshot: RunSnapshot, { columns, history, ascii }: PanelOptions): string {
  const { counters, nowMs, total } = snapshot;
  const dash = f.symbols(ascii).dash;
  const done = settled(snapshot);
  const ends = history.finish
    ? `ends ${f.momentRange(history.finish.fromMs, history.finish.toMs, nowMs, dash).replaceAll(` ${dash} `, dash)}`
    : "";
  const parts = [
    snapshot.paused ? "PAUSED" : "",
    `${f.rate(snapshot.itemsPerSecond)}/s`,
    ends,
    f.money(counters.costUsd),
    counters.retryQueued > 0 ? `retry ${f.count(counters.retryQueued)}` : "",
    counters.deadLetters > 0 ? `dead ${f.count(counters.deadLetters)}` : "",
  ].filter((part) => part !== "");
  let line = total === null ? f.count(done) : `${f.count(done)}/${f.count(Math.max(total, done))}`;
  for (const part of parts) if (f.widthOf(line) + 2 + f.widthOf(part) <= columns) line += `  ${part}`;
  return line;
}

/** The same sum as the wide panel, two columns where they fit. */
function sum({ counters }: RunSnapshot, columns: number): string[] {
  const cell = (name: string, value: number, width: number): string =>
    f.left(name, width - 9) + f.right(f.count(value), 9);
  const pairs = [
    ["read", counters.read],
    ["in flight", counters.inFlight],
    ["classified", counters.classified],
    ["skipped", counters.skipped],
    ["retry queued", counters.retryQueued],
    ["dead letters", counters.deadLetters],
  ] as const;
  if (columns < 50) return pairs.map(([name, value]) => cell(name, value, 23));
  return [0, 2, 4].map((at) =>
    pairs
      .slice(at, at + 2)
      .map(([name, value]) => cell(name, value, 23))
      .join("   "),
  );
}

function trouble(snapshot: RunSnapshot, { ascii, style, columns }: PanelOptions): string[] {
  const mark = f.symbols(ascii);
  const endpoints = snapshot.endpoints.map((endpoint) => narrowEndpoint(endpoint, { ascii, style, columns }));
  const backoff =
    snapshot.backoff.count > 0
      ? [
          `${mark.rest} ${f.count(snapshot.backoff.count)} in backoff${snapshot.backoff.nextAtMs === null ? "" : ` until ${f.clock(snapshot.backoff.nextAtMs)}`}`,
        ]
      : [];
  const errors = snapshot.errors
    .slice(-2)
    .map(({ message, count, lastMs }) =>
      f.spread(
        `${mark.bad} ${f.count(count)} x ${f.printable(message)}`,
        f.clock(lastMs),
        { columns, ascii, style },
        columns,
      ),
    );
  return [...endpoints, ...backoff, ...errors];
}

function progressBar(done: number, whole: number, width: number, { ascii, style }: PanelOptions): string {
  const filled = f.bar(whole === 0 ? 1 : done / whole, width, ascii);
  const rest = (ascii ? "." : "░").repeat(Math.max(0, width - f.widthOf(filled)));
  return style("green", filled) + style("dim", rest);
}
