import type { PanelHistory } from "../estimation/finish.ts";
import { settled } from "../estimation/finish.ts";
import type { EventMap, ExecutionEnd, RunSnapshot } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import { clock, durationRange, momentRange, money, printable, rate } from "./format.ts";

/** Events that change the state of an execution: each is a line of its own where there is no terminal. */
export type StateEvent =
  | "execution:start"
  | "execution:recover"
  | "execution:wait"
  | "execution:resume"
  | "execution:drain"
  | "execution:pause"
  | "execution:unpause"
  | "control:command"
  | "source:watch"
  | "items:grown"
  | "schedule:run"
  | "schedule:missed"
  | "schedule:failed"
  | "window:open"
  | "notification:made"
  | "endpoint:pause"
  | "endpoint:resume"
  | "endpoint:state"
  | "tenant:failed"
  | "tenant:state"
  | "limit:change";

/** The line of every 10 s: `13:14:18 done=74/248310 rate=7.4/s ends=? cost=$0.11 flight=15 retry=0 dead=0`. */
export function progressLine(snapshot: RunSnapshot, history: PanelHistory): string {
  const { counters, total, nowMs } = snapshot;
  const done = settled(snapshot);
  const { finish } = history;
  return pairs(nowMs, "", {
    done: total === null ? String(done) : `${done}/${Math.max(total, done)}`,
    rate: `${rate(snapshot.itemsPerSecond).replaceAll(",", "")}/s`,
    ends: finish ? momentRange(finish.fromMs, finish.toMs, nowMs, "-").replaceAll(" - ", "-") : "?",
    cost: plainMoney(counters.costUsd),
    flight: counters.inFlight,
    ...(snapshot.paused ? { paused: snapshot.paused.by ?? snapshot.paused.holder } : {}),
    ...(snapshot.backoff.count > 0 ? { backoff: snapshot.backoff.count } : {}),
    retry: counters.retryQueued,
    dead: counters.deadLetters,
    ...(snapshot.quiet.items > 0 ? { not_quiet: snapshot.quiet.items } : {}),
  });
}

/** The lines of one change of state; none for an event that is no such change. */
export function stateLines<K extends keyof EventMap>(name: K, payload: EventMap[K], nowMs: number): string[] {
  const write = writers[name as StateEvent] as ((payload: EventMap[K], nowMs: number) => string[]) | undefined;
  return write ? write(payload, nowMs) : [];
}

/** Changes of the calls at once come in many small steps: they are gathered, and told together. */
export class LimitChanges {
  readonly #changes = new Map<string, EventMap["limit:change"]>();

  add(change: EventMap["limit:change"]): void {
    const before = this.#changes.get(change.endpoint);
    this.#changes.set(change.endpoint, before === undefined ? change : together(before, change));
  }

  /** A line for each endpoint that takes another number of calls than when it was told last. */
  take(nowMs: number): string[] {
    const lines = [...this.#changes.values()]
      .filter(({ from, to }) => from !== to)
      .flatMap((change) => stateLines("limit:change", change, nowMs));
    this.#changes.clear();
    return lines;
  }
}

/** The reason is that of the last step in the direction of the whole. */
function together(before: EventMap["limit:change"], next: EventMap["limit:change"]): EventMap["limit:change"] {
  const isTurn = next.to > next.from !== next.to > before.from;
  return { ...next, from: before.from, reason: isTurn ? before.reason : next.reason };
}

/** `control set by ana, process 71: concurrency 5 → 20` as a sentence. */
export function commandWords({ verb, by, changes }: EventMap["control:command"]): string {
  const others = Object.entries(changes).filter(([name]) => name !== "paused");
  const what = others.map(([name, { from, to }]) => `${name} ${from ?? "none"} to ${to ?? "none"}`);
  const who = by === null ? "" : ` by ${by}`;
  return `control ${verb}${who}${what.length === 0 ? "" : `: ${what.join(", ")}`}`;
}

/** What came of it, for where there is no summary: why items were skipped or failed, and what to do about it. */
export function endNotes(
  end: ExecutionEnd,
  errors: RunSnapshot["errors"],
  hints: readonly { readonly command: string; readonly does: string }[],
  nowMs: number,
): string[] {
  const lines = [["skipped", end.skippedReasons] as const, ["dead", end.deadLetterReasons] as const].flatMap(
    ([name, reasons]) =>
      Object.entries(reasons)
        .sort((a, b) => b[1] - a[1])
        .map(([reason, items]) => pairs(nowMs, name, { reason, items })),
  );
  const failed = end.retryQueued + end.deadLetters > 0;
  const [top] = failed ? [...errors].sort((a, b) => b.count - a.count) : [];
  if (top !== undefined)
    lines.push(pairs(nowMs, "error", { message: withoutPassword(top.message), times: top.count, class: top.failure }));
  const advice = noTextAdvice(end).map((text) => pairs(nowMs, "note", { "": text }));
  return [...lines, ...advice, ...hints.map(({ command, does }) => `${clock(nowMs)} next ${command}   # ${does}`)];
}

/** What to do when more than a few items were skipped because no text was found in them. */
export function noTextAdvice({ skippedReasons, read }: Pick<ExecutionEnd, "skippedReasons" | "read">): string[] {
  const items = skippedReasons["no text"] ?? 0;
  if (items === 0 || (items < 5 && items * 20 < read)) return [];
  return [
    "Their text may be in fields that were not looked at: set source.text in querymill.yaml to its path, such as ticket.body, or name the column of a file with --text-column.",
  ];
}

/** The last line: what became of everything. */
export function endLine(end: ExecutionEnd, nowMs: number): string {
  return pairs(nowMs, `end ${end.status}`, {
    classified: end.classified,
    skipped: end.skipped,
    retry: end.retryQueued,
    dead: end.deadLetters,
    ...(end.cacheHits > 0 ? { cached: end.cacheHits, saved: plainMoney(end.savedUsd) } : {}),
    ...(end.waitingUntilQuiet > 0 ? { not_quiet: end.waitingUntilQuiet } : {}),
    cost: plainMoney(end.costUsd),
    exit: end.exitCode,
    ...(end.message === null ? {} : { message: withoutPassword(end.message) }),
  });
}

const writers: { [K in StateEvent]: (payload: EventMap[K], nowMs: number) => string[] } = {
  "execution:start": (start, nowMs) => [
    pairs(nowMs, `start ${start.job}`, { execution: start.executionId, total: start.total ?? "?", model: start.model }),
    pairs(nowMs, "store", { "": withoutPassword(start.store), source: start.source, target: start.target }),
    ...start.notes.map((note) => pairs(nowMs, "note", { "": withoutPassword(note) })),
  ],
  "execution:recover": ({ stored, fromBatchFiles, damaged, uncertainCalls }, nowMs) => [
    pairs(nowMs, "recover", { stored, read_again: fromBatchFiles, damaged, perhaps_paid_twice: uncertainCalls }),
  ],
  // The next poll comes every minute, for months.
  "execution:wait": ({ reason, untilMs, items }, nowMs) =>
    reason === "next poll"
      ? []
      : [
          pairs(nowMs, "wait", {
            items,
            reason,
            ...(untilMs === null
              ? {}
              : { until: clock(untilMs), in: durationRange(untilMs - nowMs, untilMs - nowMs, "-") }),
          }),
        ],
  "source:watch": ({ watching, reason }, nowMs) => [
    watching
      ? pairs(nowMs, "watch", { "": "changes of the source wake this run" })
      : pairs(nowMs, "poll only", { reason: withoutPassword(reason ?? "") }),
  ],
  "items:grown": ({ items, foundBy }, nowMs) => [
    pairs(nowMs, "again", { items, reason: "their text changed", found_by: foundBy }),
  ],
  "execution:resume": ({ waitedMs }, nowMs) => [
    pairs(nowMs, "resume", { reason: "the store answers again", waited: durationRange(waitedMs, waitedMs, "-") }),
  ],
  "execution:pause": ({ reason, by, holder }, nowMs) => [
    pairs(nowMs, "pause", { by: by ?? holder, ...(reason === null ? {} : { reason }) }),
  ],
  "execution:unpause": ({ by, pausedMs }, nowMs) => [
    pairs(nowMs, "unpause", { ...(by === null ? {} : { by }), paused: durationRange(pausedMs, pausedMs, "-") }),
  ],
  "control:command": ({ verb, by, changes }, nowMs) => [
    pairs(nowMs, `control ${verb}`, {
      ...(by === null ? {} : { by }),
      ...Object.fromEntries(
        Object.entries(changes).map(([name, { from, to }]) => [
          name.replaceAll(" ", "_"),
          `${from ?? "none"}->${to ?? "none"}`,
        ]),
      ),
    }),
  ],
  "schedule:run": ({ name, timeMs, caughtUp }, nowMs) => [
    pairs(nowMs, `schedule ${name}`, { time: clock(timeMs), ...(caughtUp ? { caught_up: "yes" } : {}) }),
  ],
  "schedule:missed": ({ name, times, reason }, nowMs) => [pairs(nowMs, `schedule ${name} missed`, { times, reason })],
  "schedule:failed": ({ name, message }, nowMs) => [
    pairs(nowMs, `schedule ${name} failed`, { message: withoutPassword(message) }),
  ],
  "window:open": ({ untilMs }, nowMs) => [pairs(nowMs, "window open", { until: clock(untilMs) })],
  "notification:made": ({ rule, subject, state, channels }, nowMs) => [
    pairs(nowMs, `notify ${rule}`, { state, ...(subject === rule ? {} : { subject }), to: channels.join(",") }),
  ],
  "execution:drain": ({ inFlight, reason }, nowMs) => [pairs(nowMs, "drain", { flight: inFlight, reason })],
  "endpoint:pause": ({ endpoint, reason, untilMs }, nowMs) => [
    pairs(nowMs, `limit ${endpoint} pause`, { reason, until: clock(untilMs) }),
  ],
  "endpoint:resume": ({ endpoint }, nowMs) => [pairs(nowMs, `limit ${endpoint} resume`, {})],
  "endpoint:state": ({ endpoint, state, reason }, nowMs) => [
    pairs(nowMs, `endpoint ${endpoint} ${state}`, reason === null ? {} : { reason: withoutPassword(reason) }),
  ],
  "tenant:failed": ({ code, message, nextTryMs }, nowMs) => [
    pairs(nowMs, "failed", {
      code,
      message: withoutPassword(message),
      ...(nextTryMs === null ? {} : { again: clock(nextTryMs) }),
    }),
  ],
  "tenant:state": ({ state }, nowMs) => [pairs(nowMs, state, {})],
  "limit:change": ({ endpoint, from, to, reason }, nowMs) => [
    pairs(nowMs, `limit ${endpoint} ${from}->${to}`, { reason }),
  ],
};

/** `time start key=value …`; a value with blanks is quoted, an empty key stands for a bare value. */
function pairs(nowMs: number, start: string, values: Readonly<Record<string, string | number>>): string {
  const written = Object.entries(values).map(([key, value]) => {
    const text = printable(String(value));
    const quoted = /[\s"=]/.test(text) ? JSON.stringify(text) : text;
    return key === "" ? quoted : `${key}=${quoted}`;
  });
  return [clock(nowMs), start, ...written].filter((part) => part !== "").join(" ");
}

function plainMoney(usd: number | null): string {
  return money(usd).replaceAll(",", "");
}
