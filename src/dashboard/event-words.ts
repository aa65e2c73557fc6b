import type { EventMap } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import type { Level } from "./api.ts";
import { count, counted, duration, sentence } from "./words.ts";

/** An event as a person reads it. */
export interface Told {
  readonly level: Level;
  readonly text: string;
}

/** What is told in the events log; everything else is numbers that are shown anyway. */
export type ToldEvent =
  | ("execution:start" | "execution:recover" | "execution:wait" | "execution:resume" | "execution:pause")
  | ("execution:unpause" | "execution:drain" | "execution:end" | "endpoint:pause" | "endpoint:resume")
  | ("endpoint:state" | "source:watch" | "items:grown" | "schedule:run" | "schedule:missed" | "schedule:failed")
  | (
      | "window:open"
      | "control:command"
      | "control:ready"
      | "metrics:listening"
      | "dashboard:listening"
      | "notification:made"
    );

const WORDS: { readonly [Name in ToldEvent]: (payload: EventMap[Name]) => Told } = {
  "execution:start": ({ executionId, total, model }) =>
    ok(`Execution ${executionId} starts: ${total === null ? "items" : counted(total, "item")} for ${model}`),
  "execution:recover": ({ stored, fromBatchFiles, uncertainCalls, damaged }) => ({
    level: damaged + uncertainCalls > 0 ? "warn" : "ok",
    text: `Recovered what an earlier run left: ${count(stored)} answers stored, ${count(fromBatchFiles)} items read again, ${count(uncertainCalls)} calls perhaps paid twice${damaged > 0 ? `, ${counted(damaged, "damaged record")} set aside` : ""}.`,
  }),
  "execution:wait": ({ reason }) => warn(`Waits: ${reason}`),
  "execution:resume": ({ waitedMs }) => ok(`Goes on: it waited for ${duration(waitedMs)}`),
  "execution:pause": ({ by, holder, reason }) =>
    warn(`Paused by ${by ?? whoHolds(holder)}${reason === null ? "" : `: ${reason}`}`),
  "execution:unpause": ({ by, pausedMs }) =>
    ok(`Goes on after ${duration(pausedMs)} of pause${by === null ? "" : `, told by ${by}`}`),
  "execution:drain": ({ inFlight, reason }) =>
    warn(`Draining: ${counted(inFlight, "item")} in flight, because of ${reason.replaceAll("-", " ")}`),
  "execution:end": ({ status, message, classified, deadLetters, retryQueued, durationMs }) => ({
    level: status === "completed" ? "ok" : status === "failed" ? "bad" : "warn",
    text: sentence(
      `Ended (${status.replaceAll("_", " ")}) after ${duration(durationMs)}: ${count(classified)} classified, ${count(retryQueued)} retry queued, ${count(deadLetters)} dead letters${message === null ? "" : `. ${withoutPassword(message)}`}`,
    ),
  }),
  "endpoint:pause": ({ endpoint, reason }) => warn(`Endpoint ${endpoint} rests: ${reason}`),
  "endpoint:resume": ({ endpoint }) => ok(`Endpoint ${endpoint} is asked again`),
  "endpoint:state": ({ endpoint, state, reason }) => ({
    level: state === "out" ? "bad" : state === "draining" ? "warn" : "ok",
    text: sentence(`Endpoint ${endpoint} is ${state}${reason === null ? "" : `: ${withoutPassword(reason)}`}`),
  }),
  "source:watch": ({ watching, reason }) =>
    watching
      ? ok("Changes of the source wake this run")
      : warn(`Changes of the source are found by polling only: ${withoutPassword(reason ?? "nobody tells of them")}`),
  "items:grown": ({ items }) => ok(`${counted(items, "item")} changed and will be classified again`),
  "schedule:run": ({ name, caughtUp }) => ok(`A run of schedule ${name} begins${caughtUp ? ", for a missed one" : ""}`),
  "schedule:missed": ({ name, times, reason }) =>
    warn(
      `Schedule ${name} missed ${counted(times, "time")}: ${reason === "running" ? "a run was still under way" : "nobody ran, or the machine slept"}`,
    ),
  "schedule:failed": ({ name, message }) =>
    bad(`A run of schedule ${name} could not begin. ${withoutPassword(message)}`),
  "window:open": () => ok("The window of hours is open: calls go out"),
  "control:command": ({ verb, by, changes }) => {
    const what = Object.entries(changes).map(([name, { from, to }]) => `${name} ${from ?? "none"} to ${to ?? "none"}`);
    return warn(
      `${verb.replaceAll("-", " ")}${by === null ? "" : ` by ${by}`}${what.length === 0 ? "" : `: ${what.join(", ")}`}`,
    );
  },
  "control:ready": ({ pid }) => ok(`Process ${pid} can be controlled`),
  "notification:made": ({ subject, state, channels }) => ({
    level: state === "problem" ? "warn" : "ok",
    text: `Told ${channels.length === 0 ? "nobody" : channels.join(", ")}: ${titleOf(subject, state)}`,
  }),
  "metrics:listening": ({ url }) => ok(`Metrics are served at ${url}`),
  "dashboard:listening": ({ url }) => ok(`The dashboard is at ${url}`),
};

export const TOLD_EVENTS = Object.keys(WORDS) as readonly ToldEvent[];

/** @returns an event in words, without customer text and passwords */
export function toldOf<Name extends ToldEvent>(name: Name, payload: EventMap[Name]): Told {
  const { level, text } = (WORDS[name] as (payload: EventMap[Name]) => Told)(payload);
  return { level, text: sentence(text) };
}

/** @returns what a notification is about, where its own words are not known */
export function titleOf(subject: string, state: EventMap["notification:made"]["state"]): string {
  const about = subject.replaceAll("-", " ").replace(":", ": ");
  return state === "recovered" ? `${about}, over again` : about;
}

/** @returns who keeps a run paused, when nobody said a name */
export function whoHolds(holder: string): string {
  return holder === "window" ? "the window of hours" : "the program";
}

const ok = (text: string): Told => ({ level: "ok", text });
const warn = (text: string): Told => ({ level: "warn", text });
const bad = (text: string): Told => ({ level: "bad", text });
