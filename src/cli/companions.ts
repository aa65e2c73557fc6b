import { maySdkBeRegistered } from "../observe/registered-sdk.ts";
import type { Companion, Host, Opener } from "./companion.ts";

/** In the order of opening; closed the other way round. */
const OPENERS: readonly Opener[] = [
  async (host) =>
    host.service.control === true ? (await import("./control-companion.ts")).openControlCompanion(host) : null,
  async (host) =>
    process.env.NOTIFY_SOCKET && host.isOneOfSeveral !== true
      ? (await import("./service-companion.ts")).openServiceCompanion(host)
      : null,
  async (host) =>
    host.isOneOfSeveral !== true && (host.service.metrics !== undefined || maySdkBeRegistered())
      ? (await import("./metrics-companion.ts")).openMetrics(host)
      : null,
  async (host) =>
    host.service.channels !== undefined ? (await import("./notify-companion.ts")).openNotifications(host) : null,
  async (host) =>
    host.service.dashboard?.listen ? (await import("./dashboard-companion.ts")).openDashboardCompanion(host) : null,
];

/** @throws QuerymillError when one cannot be opened; those before it are closed then */
export async function openCompanions(host: Host): Promise<Companion> {
  const opened: Companion[] = [];
  const close = async (): Promise<void> => {
    for (const companion of opened.reverse())
      await companion.close().catch((error: unknown) => host.logger.error({ err: error }, "a companion did not close"));
  };
  try {
    for (const open of OPENERS) {
      const companion = await open(host);
      if (companion !== null) opened.push(companion);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    failed: (error) => {
      for (const companion of opened) companion.failed?.(error);
    },
    ended: async () => {
      for (const companion of opened) await companion.ended?.();
    },
    close,
  };
}
