import type { Change, Done, Status } from "../control/protocol.ts";
import type { Checkpoint } from "../state/checkpoint.ts";
import { clock, count, duration, type Look, left, money, printable, rate, symbols } from "./format.ts";
import { lagWords, waitWords } from "./lag-words.ts";

const LABEL = 13;

/** What a verb did: the state before and after, then everything else that is another now. */
export function doneLines({ verb, job, pid, state, changes, requeued, refused = [] }: Done, look: Look): string[] {
  const { ok, to, warn } = symbols(look.ascii);
  const moved = state.from === state.to ? String(state.to) : `${state.from} ${to} ${state.to}`;
  // The state says it already, where it is another one now.
  const shown = Object.entries(changes).filter(([name]) => name !== "paused" || state.from === state.to);
  const rows = shown.map(([name, change]) => row(name, values(change, to)));
  const found =
    requeued === undefined
      ? []
      : requeued.deadLetters + requeued.waiting === 0
        ? [row("requeued", "nothing: nothing waits or is dead, or it is worked on just now")]
        : [row("requeued", `${count(requeued.deadLetters)} dead letters, ${count(requeued.waiting)} waiting retries`)];
  const kept = refused.map(
    ({ setting, reason }) => `${look.style("yellow", warn)} ${setting} stays as it was: it ${reason}.`,
  );
  const same = SAME[verb];
  const nothing =
    Object.keys(changes).length + found.length + kept.length === 0 && state.from === state.to && same !== undefined;
  return [
    `${look.style("green", ok)} ${look.style("bold", job)}  ${moved}  ${look.style("dim", `process ${pid}`)}`,
    ...rows,
    ...found,
    ...kept,
    ...(nothing ? [`  ${same}`] : []),
  ];
}

/** What is said when all was so before. */
const SAME: Partial<Record<Done["verb"], string>> = {
  pause: "It was paused already.",
  resume: "It was not paused.",
  set: "All of it was so before.",
  reload: "The settings were read again, and nothing is another one.",
  "endpoint-drain": "It took no calls before either.",
  "endpoint-resume": "It took calls already.",
};

/** `control status`. @param jobFlags flags that lead to the same job */
export function statusLines({ pid, host, since, snapshot }: Status, jobFlags: string, look: Look): string[] {
  const { counters, slots, paused, waiting, budget, endpoints, nowMs, mode } = snapshot;
  const format = snapshot.state === "paused" ? "yellow" : "green";
  const why = paused === null ? "" : paused.reason === null ? "" : `: ${printable(paused.reason)}`;
  const queued = snapshot.retryQueues.map(({ queue, count: items }) => `${count(items)} ${queue}`).join(", ");
  const lines = [
    `${look.style("bold", snapshot.job)}  ${look.style(format, snapshot.state)}  ${mode}`,
    row("process", `${pid} on ${printable(host)}, since ${clock(Date.parse(since))}`),
    ...(paused === null
      ? []
      : [row("paused", `since ${clock(paused.sinceMs)} by ${printable(paused.by ?? paused.holder)}${why}`)]),
    ...(waiting === null
      ? []
      : [
          row(
            "waits for",
            `${printable(waitWords(waiting.reason, snapshot.watch?.watching === true)).replace(/\.$/, "")}${waiting.untilMs === null ? "" : `, until ${clock(waiting.untilMs)} (${duration(Math.max(0, waiting.untilMs - nowMs))})`}`,
          ),
        ]),
    row(
      "items",
      `${count(counters.classified)} classified   ${count(counters.skipped)} skipped   ${count(counters.retryQueued)} retry queued   ${count(counters.deadLetters)} dead letters   ${count(counters.inFlight)} in flight`,
    ),
    row("rate", `${rate(snapshot.itemsPerSecond)} items/s`),
    ...(mode === "continuous" ? [row("lag", lagWords(snapshot.lag, nowMs, symbols(look.ascii).dash).join("   "))] : []),
    row("cost", money(counters.costUsd)),
    row(
      "concurrency",
      `${count(slots.busy)} busy, ${count(slots.limit)} at once now, at most ${count(slots.ceiling)}${slots.automatic ? " (auto)" : ""}`,
    ),
    row("budget", budget === null ? "none" : `${money(budget.spentUsd)} of ${money(budget.usd)} per ${budget.per}`),
    ...(queued === "" ? [] : [row("retry queues", queued)]),
  ];
  for (const { name, state, model, inFlight, limit, stateReason, pauseReason } of endpoints) {
    const reason = stateReason ?? pauseReason;
    lines.push(
      row(
        `endpoint`,
        `${name}  ${state}  ${model}  ${count(inFlight)} of ${count(limit)}${reason === null ? "" : `  ${printable(reason)}`}`,
      ),
    );
  }
  const verb = snapshot.state === "paused" ? "resume" : "pause";
  lines.push("", look.style("dim", `  querymill control ${verb} ${jobFlags}`.trimEnd()));
  return lines;
}

/** How the run ended that was told to. */
export function endedLine(end: Checkpoint["lastEnd"], look: Look): string {
  const { ok } = symbols(look.ascii);
  if (end === null) return `${look.style("green", ok)} It has ended.`;
  return `${look.style("green", ok)} It has ended, exit code ${end.exitCode}: ${count(end.classified)} classified, ${count(end.retryQueued)} retry queued, ${count(end.deadLetters)} dead letters in ${duration(end.durationMs)}.`;
}

function row(name: string, text: string): string {
  return `  ${left(name, LABEL)}${text}`;
}

function values({ from, to }: Change, arrow: string): string {
  return `${from ?? "none"} ${arrow} ${to ?? "none"}`;
}
