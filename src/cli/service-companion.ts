import { systemClocks } from "../clocks.ts";
import { HealthWatch } from "../observe/health-watch.ts";
import { openServiceManager } from "../observe/service-manager.ts";
import type { Companion, Host } from "./companion.ts";
import { progressLine } from "./service-progress.ts";

/** How often the line of `systemctl status` is brought up to date at least, in ms. */
const STATUS_MS = 10_000;
/** From the end of a drain to the end of the process: storing, the last checkpoint, closing. */
const CLOSING_MS = 30_000;
/** How long a start that waits may go on waiting, in ms: told again with each line of progress. */
const STARTING_MS = 60_000;

/**
 * Tells the service manager that started this process how its run does: ready when it works (or waits for its first
 * time), a line of progress, a sign of life as long as the event loop turns and `/healthz` would be well, that it reads
 * its settings again, and that it ends.
 * @returns null when no service manager asked for it
 */
export async function openServiceCompanion(host: Host): Promise<Companion | null> {
  const { execution, settings, logger, warn, watchReload } = host;
  const manager = openServiceManager(process.env, process.pid, (why) => {
    warn(
      { fields: { reason: why }, message: "the service manager cannot be told" },
      `The service manager cannot be told how this run does: ${why}.`,
    );
  });
  if (manager === null) return null;
  const { deadlines, mode, batchDir } = settings;
  const health = new HealthWatch(execution, deadlines, batchDir, systemClocks.steadyNow);
  let isReady = false;
  let isStopping = false;
  let wasHung = false;
  let status = "";
  const statusLine = (): { STATUS?: string } => {
    const line = progressLine(execution.snapshot());
    if (line === status) return {};
    status = line;
    return { STATUS: line };
  };
  const ready = (): void => {
    if (!isReady) manager.tell({ READY: 1, ...statusLine() });
    isReady = true;
  };
  const stopping = (): void => {
    // However long a drain may take here, the service manager waits for it.
    const usec = (deadlines.drainMs + CLOSING_MS) * 1_000;
    if (!isStopping) manager.tell({ STOPPING: 1, EXTEND_TIMEOUT_USEC: usec, ...statusLine() });
    isStopping = true;
  };
  /** A store that is away for hours is no start that failed. */
  const startTime = (): { EXTEND_TIMEOUT_USEC?: number } =>
    isReady || isStopping || execution.snapshot().waiting === null ? {} : { EXTEND_TIMEOUT_USEC: STARTING_MS * 1_000 };
  const look = (): void => {
    const { ok, reasons } = health.live();
    if (!ok && !wasHung) logger.error({ reasons }, "nothing moves any more: the watchdog is not told on");
    wasHung = !ok;
    const life = manager.watchdogMs === null || !ok ? {} : { WATCHDOG: 1 };
    manager.tell({ ...life, ...startTime(), ...statusLine() });
  };
  execution.events
    .on("execution:start", ready)
    .on("execution:wait", () => {
      if (mode === "scheduled") ready();
      else if (!isReady) manager.tell({ ...startTime(), ...statusLine() });
    })
    .on("execution:drain", ({ reason }) => {
      // A run of a schedule that stops itself is not the end of the process.
      if (mode !== "scheduled" || reason === "signal" || reason === "stop-requested") stopping();
    });
  watchReload({
    begins: () => {
      const usec = process.hrtime.bigint() / 1_000n;
      if (isReady && !isStopping) manager.tell({ RELOADING: 1, MONOTONIC_USEC: usec.toString() });
    },
    ends: () => {
      if (isReady && !isStopping) manager.tell({ READY: 1 });
    },
  });
  const timer = setInterval(look, Math.min(STATUS_MS, (manager.watchdogMs ?? STATUS_MS * 2) / 2));
  timer.unref();
  return {
    close: async () => {
      clearInterval(timer);
      stopping();
      await manager.close();
    },
  };
}
