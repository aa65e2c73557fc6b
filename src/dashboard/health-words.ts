import type { ExecutionEnd, RunSnapshot } from "../events.ts";
import type { JobStatus } from "../jobs/status.ts";
import { liveness } from "../observe/health.ts";
import { withoutPassword } from "../redact.ts";
import type { Overview } from "./api.ts";
import { whoHolds } from "./event-words.ts";
import { count, counted, duration, percent, sentence } from "./words.ts";

type Health = Overview["health"];

/** What the health of a job is told from. */
export interface HealthSight {
  readonly nowMs: number;
  readonly from: Overview["from"];
  readonly trouble: string | null;
  readonly snapshot: RunSnapshot | null;
  /** What the state says while nobody works on the job; null while it is not read. */
  readonly status: Pick<JobStatus, "state" | "problem" | "callsUnderWay" | "journaled"> | null;
  readonly lastEnd: (ExecutionEnd & { readonly endedAt?: string }) | null;
  /** Since when nothing has happened, ms. */
  readonly quietMs: number;
  readonly deadlines: { readonly attemptMs: number; readonly itemMs: number; readonly idleMs: number };
}

/** Outcomes before a share of errors says anything, and the share that is worth a look. */
const ENOUGH_ITEMS = 20;
const MANY_ERRORS = 0.05;

/** One sentence about a job: is it healthy? */
export function healthOf(sight: HealthSight): Health {
  const { from, trouble, snapshot } = sight;
  if (snapshot === null && trouble !== null)
    return { level: "warn", title: "Cannot be asked", detail: sentence(trouble) };
  if (from === "nobody" || snapshot === null) return healthAlone(sight);
  return trouble === null
    ? healthAtWork(snapshot, sight)
    : { level: "warn", title: "Does not answer", detail: sentence(trouble) };
}

/** Failed items of an execution against all with an outcome; null while there are too few. */
export function failedShare({ counters }: RunSnapshot): number | null {
  const { read, inFlight, deadLetters, retryQueued } = counters;
  const settled = read - inFlight;
  return settled < ENOUGH_ITEMS ? null : (deadLetters + retryQueued) / settled;
}

export const isManyErrors = (share: number | null): share is number => share !== null && share >= MANY_ERRORS;

/** Whether a run waits for something that is away, and not for work or a time. */
export function isHindered({ waiting }: RunSnapshot): boolean {
  return waiting !== null && /^(the store|every endpoint)/.test(waiting.reason);
}

function healthAlone({ status, lastEnd, nowMs }: HealthSight): Health {
  if (status?.state === "unreadable")
    return { level: "bad", title: "State cannot be read", detail: sentence(status.problem ?? "It is damaged") };
  if (status?.state === "unclean")
    return {
      level: "bad",
      title: "Did not end cleanly",
      detail: `${counted(status.callsUnderWay, "call")} may be paid twice; ${counted(status.journaled, "outcome")} in the journal will be stored for nothing. Go on with --recover.`,
    };
  if (lastEnd === null) return { level: "idle", title: "Has not run yet", detail: "Start it with querymill run." };
  const { status: how, classified, deadLetters, retryQueued, message, endedAt } = lastEnd;
  const ago = endedAt === undefined ? "" : ` ${duration(nowMs - Date.parse(endedAt))} ago`;
  const failed = deadLetters + retryQueued === 0 ? "" : `, ${counted(deadLetters + retryQueued, "item")} failed`;
  const what = `${count(classified)} classified${failed}${message === null ? "" : `. ${withoutPassword(message)}`}`;
  const level = how === "completed" ? "idle" : how === "failed" ? "bad" : "warn";
  return { level, title: "Not running", detail: sentence(`Ended${ago} (${how.replaceAll("_", " ")}): ${what}`) };
}

function healthAtWork(snapshot: RunSnapshot, { quietMs, deadlines }: HealthSight): Health {
  const { state, paused, waiting, held, endpoints, counters, nowMs, startedAtMs } = snapshot;
  const verdict = liveness({ snapshot, quietMs, deadlines });
  if (!verdict.ok) return { level: "bad", title: "Hangs", detail: `${verdict.reasons.join(" ")} Restart it.` };
  if (state === "paused" && paused !== null) {
    const why = paused.reason === null ? "" : `: ${paused.reason}`;
    const who = paused.by ?? whoHolds(paused.holder);
    return {
      level: "warn",
      title: "Paused",
      detail: sentence(`${duration(nowMs - paused.sinceMs)} ago by ${who}${why}`),
    };
  }
  const fixed: Partial<Record<RunSnapshot["state"], Health>> = {
    starting: { level: "ok", title: "Starting", detail: "It connects to store and model." },
    recovering: { level: "ok", title: "Recovering", detail: "It stores what an earlier run left." },
    draining: {
      level: "warn",
      title: "Draining",
      detail: `${counted(counters.inFlight, "item")} in flight come home, then it ends.`,
    },
    ended: { level: "idle", title: "Ended", detail: `${count(counters.classified)} classified.` },
  };
  const told = fixed[state];
  if (told !== undefined && (state !== "starting" || waiting === null)) return told;
  if (held !== null) return { level: "warn", title: "Waits", detail: sentence(`No call may go out: ${held}`) };
  if (waiting !== null) return healthWaiting(snapshot, waiting);
  const away = endpoints.filter((one) => one.state !== "open");
  if (endpoints.length > 0 && away.length === endpoints.length)
    return {
      level: away.every((one) => one.state === "resting") ? "warn" : "bad",
      title: "No endpoint takes calls",
      detail: sentence(away.map((one) => `${one.name} is ${one.state}`).join(", ")),
    };
  const share = failedShare(snapshot);
  if (isManyErrors(share))
    return {
      level: share >= 4 * MANY_ERRORS ? "bad" : "warn",
      title: `${percent(share)} of the items fail`,
      detail: `${counted(counters.deadLetters, "dead letter")}, ${count(counters.retryQueued)} to be tried again.`,
    };
  if (away.length > 0)
    return {
      level: "warn",
      title: `${away.length} of ${endpoints.length} endpoints ${away.length === 1 ? "takes" : "take"} no calls`,
      detail: sentence(away.map((one) => `${one.name} is ${one.state}`).join(", ")),
    };
  const settled = counters.read - counters.inFlight;
  return {
    level: "ok",
    title: "Healthy",
    detail: `${counted(settled, "item")} settled in ${duration(nowMs - startedAtMs)}, no trouble.`,
  };
}

function healthWaiting(snapshot: RunSnapshot, waiting: NonNullable<RunSnapshot["waiting"]>): Health {
  const { reason, untilMs, items } = waiting;
  const until = untilMs === null ? "" : `, ${duration(untilMs - snapshot.nowMs)} more`;
  if (reason === "next poll")
    return { level: "ok", title: "Up to date", detail: `It looks again in a moment${until}.` };
  if (reason === "next scheduled time")
    return { level: "idle", title: "Waits for its time", detail: sentence(`The next run begins${until.slice(1)}`) };
  const level = isHindered(snapshot) ? "bad" : "warn";
  const what = items > 0 ? `${counted(items, "item")}: ${reason}` : withoutPassword(reason);
  return { level, title: "Waits", detail: sentence(`${what}${until}`) };
}
