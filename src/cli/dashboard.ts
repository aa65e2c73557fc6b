import { type Command, Option } from "commander";
import { type DashboardSettings, listenAt } from "../config/dashboard.ts";
import { DASHBOARD_PORT } from "../config/dashboard-options.ts";
import type { ListenSettings } from "../config/metrics.ts";
import type { Dashboard, ServerOptions } from "../dashboard/server.ts";
import { QuerymillError } from "../errors.ts";
import { openLog } from "../observe/log.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { tokenCommand } from "./dashboard-token.ts";
import { addJobOptions, type LoadedJob, loadJob, tenantsHere } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { programName } from "./program.ts";
import { openScreen } from "./screen.ts";
import { tokensOf } from "./supervise.ts";

type Flags = Record<string, unknown>;

/** `querymill dashboard`: the page of a job, whether it runs or not. */
export function dashboardCommand(): Command {
  const command = makeCommand(
    "dashboard",
    "Shows a job on a page in the browser, whether it runs or not, and tells a run on this machine what to do. Ends with Ctrl-C; the run goes on.",
    `querymill dashboard --job support-inbox
querymill dashboard --port 0 --read-only
querymill dashboard --host 0.0.0.0
querymill dashboard token add --name ann --read-only`,
  );
  command.addOption(new Option("--port <n>", `where it listens; 0 takes a free one (default: ${DASHBOARD_PORT})`));
  command.addOption(new Option("--host <address>", "for others than this machine: put a proxy with https before it"));
  command.addOption(new Option("--read-only", "everybody may look and nobody may change anything"));
  command.helpCommand(false).addCommand(tokenCommand());
  return addJobOptions(command, ["timezone", "workersAt"]).action(async (flags: Flags) => {
    process.exitCode = await serve(flags);
  });
}

async function serve({ port, host, readOnly, ...flags }: Flags): Promise<number> {
  const tenants = flags.tenant === undefined ? await tenantsHere(flags) : [];
  // What is the same for all of them is read with one that can be used.
  const loaded = tenants.length === 0 ? await loadJob(flags, false) : await loadCommon(flags, tenants);
  const { service, output } = loaded;
  const found = service.dashboard!;
  const dashboard: DashboardSettings = { ...found, readOnly: found.readOnly || readOnly === true };
  const screen = openScreen();
  const log = await openLog({
    level: output.logLevel ?? "warn",
    file: output.logFile,
    write: (line) => process.stderr.write(line),
    secrets: tokensOf(service),
  });
  const server = {
    dashboard,
    listen: listenSettings(dashboard, port, host),
    logger: log.logger,
    program: programName(),
  };
  const opened = tenants.length === 0 ? await openOne(loaded, server) : await openAll(loaded, server, flags);
  const { url, link, warning } = opened;
  if (warning !== null) process.stderr.write(`${warning}\n`);
  const { job } = loaded.settings;
  process.stderr.write(`Dashboard of ${tenants.length === 0 ? job : `${tenants.length} tenants`}: ${link}\n`);
  if (output.json) {
    const what = tenants.length === 0 ? { job } : { tenants };
    screen.json({ event: "dashboard:listening", time: new Date().toISOString(), ...what, url });
  }
  await untilStopped();
  await opened.close();
  await log.close();
  return 0;
}

type Server = Pick<ServerOptions, "dashboard" | "listen" | "logger" | "program">;

async function openOne({ settings, jobFlags }: LoadedJob, server: Server): Promise<Dashboard> {
  const { openDashboard } = await import("../dashboard/server.ts");
  const { OtherWorker } = await import("../dashboard/worker.ts");
  const worker = new OtherWorker(new BatchFileManager(settings.batchDir, settings));
  return await openDashboard({ ...server, settings, worker, events: null, jobFlags });
}

async function openAll({ settings }: LoadedJob, server: Server, flags: Flags): Promise<Dashboard> {
  const { openTenantsDashboard } = await import("../dashboard/tenants-server.ts");
  const { tenantsOfFile } = await import("./tenants-dashboard.ts");
  const tenants = tenantsOfFile({ flags, env: process.env, cwd: process.cwd() });
  return await openTenantsDashboard({ ...server, batchDir: settings.batchDir, tenants });
}

async function loadCommon(flags: Flags, tenants: readonly string[]): Promise<LoadedJob> {
  let first: unknown = null;
  for (const tenant of tenants)
    try {
      return await loadJob({ ...flags, tenant }, false);
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      first ??= error;
    }
  throw first;
}

/** Waits for Ctrl-C, a supervisor's SIGTERM, or a terminal that is closed. */
export async function untilStopped(): Promise<void> {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of signals) process.once(signal, () => resolve());
  // What waits for a signal alone would let the process end.
  const awake = setInterval(() => {}, 60_000);
  await promise;
  clearInterval(awake);
}

/** What was typed beats what the file says. */
function listenSettings({ listen, hosts }: DashboardSettings, port: unknown, host: unknown): ListenSettings {
  if (port === undefined && host === undefined) return listen ?? listenAt(null, hosts);
  const wanted = port === undefined ? (listen?.port ?? DASHBOARD_PORT) : Number(port);
  if (port !== undefined && !(/^\d+$/.test(String(port)) && wanted <= 65_535))
    throw new QuerymillError("USAGE", `--port: expected a port from 0 to 65535; got "${String(port)}".`);
  if (host !== undefined && !/^[A-Za-z0-9_.:-]+$/.test(String(host)))
    throw new QuerymillError("USAGE", `--host: expected an address or a name of this machine; got "${String(host)}".`);
  const at = host === undefined ? (listen?.host ?? "127.0.0.1") : String(host);
  return { host: at, port: wanted, hosts, shown: at.includes(":") ? `[${at}]:${wanted}` : `${at}:${wanted}` };
}
