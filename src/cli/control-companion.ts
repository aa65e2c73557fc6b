import { CONTROL_VERSION } from "../control/protocol.ts";
import { openControl } from "../control/server.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { Companion, Host } from "./companion.ts";

/**
 * Makes the process answer on its local socket, from the moment on when it holds the job or waits for a time: what is
 * refused before leaves no trace. A socket that cannot be opened is told, and holds nothing up.
 */
export async function openControlCompanion({ execution, settings, logger, warn, reload }: Host): Promise<Companion> {
  const identity = { tenant: settings.tenant, job: settings.job, range: WHOLE_RANGE };
  let opening: Promise<{ close(): Promise<void> } | null> | null = null;
  const open = async (): Promise<{ close(): Promise<void> } | null> => {
    try {
      const server = await openControl({
        execution,
        reload,
        identity,
        jobFolder: jobFolder(settings.batchDir, identity),
        onBug: (error) => logger.error({ err: error }, "the control socket failed"),
      });
      const { address } = server;
      logger.info({ address }, "can be controlled");
      execution.events.emit("control:ready", {
        job: settings.job,
        pid: process.pid,
        address,
        version: CONTROL_VERSION,
      });
      return server;
    } catch (error) {
      const isOther = error instanceof QuerymillError && error.code === "JOB_HELD";
      const why = isOther ? "another process answers for this job already" : messageOf(error);
      warn(
        { fields: { reason: why }, message: "no control socket" },
        `querymill control cannot reach this process: ${why}`,
      );
      return null;
    }
  };
  execution.events.onAny((name) => {
    // Told also of a run that could not begin.
    if (name !== "notification:made") opening ??= open();
  });
  return {
    close: async () => {
      await (await opening)?.close();
    },
  };
}
