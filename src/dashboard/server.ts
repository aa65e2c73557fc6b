import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { systemClocks } from "../clocks.ts";
import type { DashboardSettings } from "../config/dashboard.ts";
import { isLoopback } from "../config/loopback.ts";
import type { ListenSettings } from "../config/metrics.ts";
import type { Events } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { openPrices } from "../jobs/wiring.ts";
import { openHttpServer } from "../observe/http-server.ts";
import { countByPersons, countToReview } from "../results/decisions.ts";
import { LazyStore } from "../results/lazy-store.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import { mountData } from "./data-routes.ts";
import { Exports } from "./export-stream.ts";
import { FailedLogins } from "./failed-logins.ts";
import { type DashboardApp, mountGate } from "./gate.ts";
import { JobWatch } from "./job-watch.ts";
import { LiveHub } from "./live.ts";
import { loadPage, mountPage, type Page } from "./page.ts";
import { problemOf, refuse, refuseError } from "./problem.ts";
import { byOf, mountRoutes } from "./routes.ts";
import { SentNotifications } from "./sent-notifications.ts";
import { Sessions } from "./session.ts";
import { StateReader } from "./state-reader.ts";
import type { Worker } from "./worker.ts";

export interface DashboardOptions {
  readonly settings: JobSettings;
  readonly dashboard: DashboardSettings;
  readonly listen: ListenSettings;
  readonly worker: Worker;
  /** Of the execution of this process; null: it has none. */
  readonly events: Events | null;
  readonly logger: Logger;
  /** Flags that lead a command to the same job, for commands that the page shows. @default none */
  readonly jobFlags?: string;
  /** How the command line is typed, for the same. @default `querymill` */
  readonly program?: string;
  /** @default the one that the package brings */
  readonly page?: () => Promise<Page>;
}

export interface Dashboard {
  /** `http://127.0.0.1:7412` */
  readonly url: string;
  /** With the token, to be shown once; the same as `url` where the settings name a lasting token. */
  readonly link: string;
  /** What has to be known of where it listens; null on this machine alone. */
  readonly warning: string | null;
  close(): Promise<void>;
}

/** A page has one stream and asks some things beside it. */
const CONNECTIONS = 320;

/**
 * Serves the page of a job and what it asks for. What it lacks it says; it holds nothing up.
 * @throws QuerymillError USAGE when it cannot listen there; CONFIG_INVALID for a token that is none
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const {
    settings,
    dashboard,
    listen,
    worker,
    events,
    logger,
    jobFlags = "",
    program = "querymill",
    page = loadPage,
  } = options;
  const { now, steadyNow } = systemClocks;
  const sessions = new Sessions(dashboard, now);
  const onError = (error: unknown): void => logger.error({ err: error }, "the dashboard met an error");
  const hub = new LiveHub(randomBytes(6).toString("hex"));
  const reader = new StateReader(settings, steadyNow);
  const store = new LazyStore(settings);
  const watch = new JobWatch({
    settings,
    worker,
    reader,
    hub,
    countToReview: async () => (await countToReview(await store.get(), settings))?.items ?? null,
    countByPersons: async (executionId) => await countByPersons(await store.get(), settings, executionId),
    openPrices: () => openPrices(settings),
    now,
    steadyNow,
    onError,
  });
  const identity = { tenant: settings.tenant, job: settings.job, range: WHOLE_RANGE };
  const notifications = new SentNotifications(jobFolder(settings.batchDir, identity), identity);
  const exports = new Exports();
  if (events !== null) {
    watch.hear(events);
    notifications.hear(events, now);
  }
  const mount = async (app: DashboardApp): Promise<void> => {
    app.notFound((context) => refuse(context, 404, "NOT_FOUND", "There is nothing here."));
    app.onError((error, context) => refuseError(context, error, onError));
    await mountGate(app, {
      sessions,
      failedLogins: new FailedLogins(steadyNow),
      port: () => port,
      hosts: listen.hosts,
      onFailedLogins: (tokens, address) => {
        logger.warn({ address, tokens }, "a wrong token was given to the dashboard");
        const text =
          tokens === 1
            ? `A wrong token was given from ${address}.`
            : `${tokens} wrong tokens were given, the last from ${address}.`;
        watch.say("login:failed", { level: "warn", text });
      },
    });
    const changed = (): void => watch.changed();
    mountData(app, { settings, store: store.get, exports, by: byOf, changed, events, jobFlags, program });
    const runCommand = runCommandOf(program, jobFlags);
    await mountRoutes(app, { settings, watch, reader, worker, hub, notifications, exports, runCommand });
    let loaded: Promise<Page> | null = null;
    mountPage(app, () => {
      loaded ??= page();
      return loaded;
    });
  };
  let port = listen.port;
  const server = await openHttpServer(listen, {
    option: "--dashboard",
    hostsOption: "dashboard.hosts",
    connections: CONNECTIONS,
    problem: (message) => problemOf("FORBIDDEN", message),
    mount: (app) => mount(app as unknown as DashboardApp),
  });
  port = Number(new URL(server.url).port);
  watch.start();
  const { shownToken } = sessions;
  return {
    url: server.url,
    link: shownToken === null ? server.url : `${server.url}/#token=${shownToken}`,
    warning: isLoopback(listen.host)
      ? null
      : `The dashboard listens at ${listen.host} without TLS: whoever reads the network reads the token and your texts. Put a proxy with https before it, and name its host in dashboard.hosts.`,
    close: async () => {
      await watch.stop().catch(onError);
      hub.close();
      await server.close();
      await store.close();
    },
  };
}

/** The demo's job is run by a command of its own. */
function runCommandOf(program: string, jobFlags: string): string {
  const [first, ...rest] = jobFlags.split(" ");
  return [program, ...(first === "--demo" ? ["demo", ...rest] : ["run", jobFlags])].join(" ").trim();
}
