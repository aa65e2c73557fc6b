import type { Logger } from "pino";
import { systemClocks } from "../clocks.ts";
import type { DashboardSettings } from "../config/dashboard.ts";
import { isLoopback } from "../config/loopback.ts";
import type { ListenSettings } from "../config/metrics.ts";
import type { Events } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { openHttpServer } from "../observe/http-server.ts";
import { API, type Seat } from "./api.ts";
import { FailedLogins } from "./failed-logins.ts";
import { type DashboardApp, type DashboardContext, mountGate, NOTHING_HERE, roleOf } from "./gate.ts";
import { loadPage, mountPage, type Page } from "./page.ts";
import { problemOf, refuse, refuseError } from "./problem.ts";
import { type Session, Sessions } from "./session.ts";
import { openSite } from "./site.ts";
import { TokenFile } from "./token-file.ts";
import type { Worker } from "./worker.ts";

export interface ServerOptions {
  readonly dashboard: DashboardSettings;
  readonly listen: ListenSettings;
  readonly logger: Logger;
  /** How the command line is typed, for commands that the page shows. @default `querymill` */
  readonly program?: string;
  /** @default the one that the package brings */
  readonly page?: () => Promise<Page>;
}

export interface DashboardOptions extends ServerOptions {
  readonly settings: JobSettings;
  readonly worker: Worker;
  /** Of the execution of this process; null: it has none. */
  readonly events: Events | null;
  /** Flags that lead a command to the same job, for commands that the page shows. @default none */
  readonly jobFlags?: string;
}

export interface Dashboard {
  /** `http://127.0.0.1:7412` */
  readonly url: string;
  /** With the token, to be shown once; the same as `url` where the settings name a lasting token. */
  readonly link: string;
  /** What has to be known of where it listens; null on this machine alone. */
  readonly warning: string | null;
  /** All that it answers, by method and path, for whoever checks that nothing is open to others. */
  readonly routes: () => readonly { readonly method: string; readonly path: string }[];
  close(): Promise<void>;
}

/** What is served behind the gate. */
export interface Served {
  /** Where the tokens that were made are kept. */
  readonly batchDir: string;
  /** The one tenant whose job it is; null: several. */
  readonly only: string | null;
  readonly hasTenant: (name: string) => boolean;
  /** Names of all tenants; null: one job. */
  readonly tenants: () => readonly string[] | null;
  readonly routes: Dashboard["routes"];
  /** Told of a token that is none of ours. */
  readonly onFailedLogins: (tokens: number, address: string) => void;
  /** Adds what is behind the gate, the page excepted. */
  readonly mount: (app: DashboardApp) => void;
  close(): Promise<void>;
}

/** What is behind the gate has of it. */
export interface Door {
  readonly holds: (session: Session) => boolean;
  readonly onError: (error: unknown) => void;
}

/** A page has one stream and asks some things beside it. */
const CONNECTIONS = 320;

/**
 * Serves the page of a job and what it asks for. What it lacks it says; it holds nothing up.
 * @throws QuerymillError USAGE when it cannot listen there; CONFIG_INVALID for a token that is none
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { settings, worker, events, jobFlags = "", program = "querymill" } = options;
  return await serveDashboard(options, async ({ holds, onError }) => {
    const site = await openSite({ settings, worker, base: API, jobFlags, program, holds, onError });
    if (events !== null) site.hear(events);
    return {
      batchDir: settings.batchDir,
      only: settings.tenant,
      hasTenant: (name) => name === settings.tenant,
      tenants: () => null,
      routes: () => site.app.routes,
      onFailedLogins: (tokens, address) => {
        const text =
          tokens === 1
            ? `A wrong token was given from ${address}.`
            : `${tokens} wrong tokens were given, the last from ${address}.`;
        site.watch.say("login:failed", { level: "warn", text });
      },
      mount: (app) => app.all(`${API}/*`, (context) => site.answer(context)),
      close: () => site.close(),
    };
  });
}

/** One server, one gate and one page before whatever is served. @throws as {@link openDashboard} */
export async function serveDashboard(
  { dashboard, listen, logger, page = loadPage }: ServerOptions,
  open: (door: Door) => Promise<Served>,
): Promise<Dashboard> {
  const { now, steadyNow } = systemClocks;
  const onError = (error: unknown): void => logger.error({ err: error }, "the dashboard met an error");
  let sessions: Sessions | null = null;
  const served = await open({ holds: (session) => sessions?.holds(session) ?? false, onError });
  try {
    const made = { file: new TokenFile(served.batchDir), hasTenant: served.hasTenant };
    const opened = new Sessions(dashboard, now, made);
    sessions = opened;
    let port = listen.port;
    let root: DashboardApp | null = null;
    const mount = async (app: DashboardApp): Promise<void> => {
      root = app;
      app.notFound((context) => refuse(context, 404, "NOT_FOUND", NOTHING_HERE));
      app.onError((error, context) => refuseError(context, error, onError));
      await mountGate(app, {
        sessions: opened,
        failedLogins: new FailedLogins(steadyNow),
        port: () => port,
        hosts: listen.hosts,
        only: served.only,
        onFailedLogins: (tokens, address) => {
          logger.warn({ address, tokens }, "a wrong token was given to the dashboard");
          served.onFailedLogins(tokens, address);
        },
      });
      app.get(`${API}/session`, (context) => context.json(seatOf(context, served)));
      served.mount(app);
      let loaded: Promise<Page> | null = null;
      mountPage(app, () => {
        loaded ??= page();
        return loaded;
      });
    };
    const server = await openHttpServer(listen, {
      option: "--dashboard",
      hostsOption: "dashboard.hosts",
      connections: CONNECTIONS,
      problem: (message) => problemOf("FORBIDDEN", message),
      mount: (app) => mount(app as unknown as DashboardApp),
    });
    port = Number(new URL(server.url).port);
    const { shownToken } = opened;
    return {
      url: server.url,
      link: shownToken === null ? server.url : `${server.url}/#token=${shownToken}`,
      warning: isLoopback(listen.host)
        ? null
        : `The dashboard listens at ${listen.host} without TLS: whoever reads the network reads the token and your texts. Put a proxy with https before it, and name its host in dashboard.hosts.`,
      routes: () => [...(root?.routes ?? []), ...served.routes()],
      close: async () => {
        await served.close();
        await server.close();
      },
    };
  } catch (error) {
    await served.close();
    throw error;
  }
}

function seatOf(context: DashboardContext, { tenants }: Served): Seat {
  const { tenant } = context.get("session");
  const all = tenants();
  return {
    role: roleOf(context),
    tenants: all === null || tenant === null ? all : all.filter((name) => name === tenant),
    tenant,
  };
}
