import { openDashboard } from "../dashboard/server.ts";
import { OwnWorker } from "../dashboard/worker.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Companion, Host } from "./companion.ts";
import { programName } from "./program.ts";

/**
 * Serves the dashboard beside a run, which it never holds up: nobody waits for who watches.
 * @throws QuerymillError USAGE when it cannot listen there; CONFIG_INVALID for a token that is none
 */
export async function openDashboardCompanion(host: Host): Promise<Companion> {
  const { execution, settings, service, logger, reload, jobFlags, note, handOver, stays } = host;
  const dashboard = service.dashboard!;
  const worker = new OwnWorker({ execution, reload }, new BatchFileManager(settings.batchDir, settings));
  const { events } = execution;
  const opened = await openDashboard({
    settings,
    dashboard,
    listen: dashboard.listen!,
    worker,
    events,
    logger,
    jobFlags,
    program: programName(),
  });
  const { url, link, warning } = opened;
  if (warning !== null) note(warning);
  handOver(`Dashboard: ${link}`);
  logger.info({ url }, "the dashboard is served");
  execution.events.emit("dashboard:listening", { executionId: execution.snapshot().executionId, url });
  return {
    close: async () => {
      if (stays === undefined) return await opened.close();
      worker.end();
      stays(opened);
    },
  };
}
