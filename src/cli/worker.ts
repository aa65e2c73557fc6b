import type { Command } from "commander";
import { Option } from "commander";
import type { WorkerEvent } from "../cluster/worker-event.ts";
import { loadSettings } from "../config/load.ts";
import { logEvents, openLog } from "../observe/log.ts";
import { count, duration } from "./format.ts";
import { addOptions, makeCommand, RUN_OPTIONS } from "./options.ts";
import { openScreen } from "./screen.ts";
import { watchSignals } from "./signals.ts";
import { defaultLevel, secretsOf } from "./supervise.ts";

/** Has nothing to do for so long, then it ends, with --until-idle. */
const IDLE_MS = 10_000;

/** `querymill worker`: takes parts of a run that was started with --workers-at. */
export function workerCommand(): Command {
  const command = makeCommand(
    "worker",
    "Takes parts of the run that was started with --workers-at and works them off, until it is stopped. Give it the same querymill.yaml as the run.",
    `querymill worker --workers-at mongodb --store mongodb://db.internal/support --model openai/gpt-5-mini
querymill worker --config querymill.yaml --until-idle`,
  );
  command.addOption(new Option("--until-idle", "end after 10 s without anything to do"));
  return addOptions(command, RUN_OPTIONS).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await work(flags);
  });
}

async function work({ untilIdle, ...flags }: Record<string, unknown>): Promise<number> {
  const { settings, output } = await loadSettings({ flags, env: process.env, cwd: process.cwd() });
  const { openWorker } = await import("../cluster/open-worker.ts");
  const screen = openScreen();
  const tell = (event: WorkerEvent): void => {
    if (output.json) screen.json({ ...event, time: new Date().toISOString() });
    else if (!output.quiet) screen.print([lineOf(event)]);
  };
  const log = await openLog({
    level: output.logLevel ?? defaultLevel(output),
    file: output.logFile,
    write: (line) => process.stderr.write(line),
    secrets: secretsOf(settings),
  });
  const { worker, close } = await openWorker(settings, { idleMs: untilIdle === true ? IDLE_MS : null, tell });
  logEvents(worker.events, log.logger, () => false);
  const signals = watchSignals({
    drain: () => worker.stop(),
    abort: () => worker.abort(),
    exit: (code) => process.exit(code),
    now: () => performance.now(),
    reload: null,
  });
  try {
    return (await worker.run()).exitCode;
  } finally {
    signals.dispose();
    await close();
    await log.close();
  }
}

function lineOf(event: WorkerEvent): string {
  switch (event.event) {
    case "worker:start":
      return `Worker ${event.worker} looks for work.`;
    case "worker:wait":
      return `Waits: ${event.reason}`;
    case "range:taken":
      return `${event.range}: taken, about ${count(event.items)} items`;
    case "range:end":
      return `${event.range}: ${event.result}, ${count(event.read)} items in ${duration(event.durationMs)}${event.message === null ? "" : `: ${event.message}`}`;
    case "worker:end":
      return `Worker ${event.worker} ended: ${count(event.ranges)} parts, ${count(event.settled)} items${event.message === null ? "" : `. ${event.message}`}`;
  }
}
