import { onTestFinished } from "vitest";
import { systemClocks } from "../../src/clocks.ts";
import type { ExecutionEnd } from "../../src/events.ts";
import type { JobSettings } from "../../src/job.ts";
import { ScheduledExecution } from "../../src/jobs/schedule.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import type { ScheduleSettings } from "../../src/scheduling/schedule.ts";

/** A schedule of UTC with nothing special. */
export function schedule(cron: string, more: Partial<ScheduleSettings> = {}): ScheduleSettings {
  return { name: "main", cron, timezone: "UTC", jitterSeconds: 0, catchUp: "none", changes: {}, ...more };
}

/** Scheduled mode by a wall clock that the test sets. */
export interface Scheduled {
  readonly execution: ScheduledExecution;
  /** What it has said of its times and runs, in order: `nightly runs 02:30`. */
  readonly said: string[];
  readonly ended: Promise<ExecutionEnd>;
  readonly now: () => number;
  /** @param time ISO, or epoch ms */
  set(time: string | number): void;
}

/**
 * @param from where the wall clock stands at the start, ISO
 * @param runsTo it goes to each time that is waited for by itself, up to here; not at all when it is not given
 */
export async function startScheduled(settings: JobSettings, from: string, runsTo?: string): Promise<Scheduled> {
  let wallMs = Date.parse(from);
  const set = (time: string | number): void => {
    wallMs = typeof time === "number" ? time : Date.parse(time);
  };
  const execution = new ScheduledExecution({ ...settings, mode: "scheduled" }, await chooseAdapters(settings), {
    now: () => wallMs,
    steadyNow: systemClocks.steadyNow,
  });
  const said: string[] = [];
  execution.events
    .on("schedule:run", ({ name, timeMs, caughtUp }) =>
      said.push(`${name} ${caughtUp ? "catches up" : "runs"} ${clock(timeMs)}`),
    )
    .on("schedule:missed", ({ name, times, reason, firstMs, lastMs }) =>
      said.push(`${name} missed ${times} ${reason}, ${clock(firstMs)} to ${clock(lastMs)}`),
    )
    .on("schedule:failed", ({ name, code }) => said.push(`${name} failed ${code}`))
    .on("execution:end", ({ status }) => said.push(status))
    .on("execution:wait", ({ reason, untilMs }) => {
      if (reason !== "next scheduled time") return;
      said.push(`waits for ${clock(untilMs!)}`);
      if (runsTo !== undefined && untilMs! <= Date.parse(runsTo)) wallMs = untilMs!;
    });
  const ended = execution.run();
  // Whoever started it awaits it later.
  ended.catch(() => {});
  onTestFinished(async () => {
    execution.abort();
    await ended.catch(() => {});
  });
  return { execution, said, ended, set, now: () => wallMs };
}

function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16);
}
