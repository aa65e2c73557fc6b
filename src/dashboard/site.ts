import { randomBytes } from "node:crypto";
import { systemClocks } from "../clocks.ts";
import type { Events } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { openPrices } from "../jobs/wiring.ts";
import { countByPersons, countToReview } from "../results/decisions.ts";
import { LazyStore } from "../results/lazy-store.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import { CallRing } from "./call-ring.ts";
import { mountData } from "./data-routes.ts";
import { Exports } from "./export-stream.ts";
import { mountFleet } from "./fleet-routes.ts";
import { type DashboardContext, type Inside, NOTHING_HERE, type SiteApp } from "./gate.ts";
import { JobWatch } from "./job-watch.ts";
import { LiveHub } from "./live.ts";
import { refuse, refuseError } from "./problem.ts";
import { byOf, mountRoutes } from "./routes.ts";
import { SentNotifications } from "./sent-notifications.ts";
import type { Session } from "./session.ts";
import { StateReader } from "./state-reader.ts";
import type { Worker } from "./worker.ts";

export interface SiteOptions {
  readonly settings: JobSettings;
  readonly worker: Worker;
  /** In front of each of its paths. */
  readonly base: string;
  /** Flags that lead a command to the same job, for commands that the page shows. */
  readonly jobFlags: string;
  /** How the command line is typed, for the same. */
  readonly program: string;
  /** Whether the token of a session was not removed meanwhile. */
  readonly holds: (session: Session) => boolean;
  readonly onError: (error: unknown) => void;
}

/** All that is told of one job, and all that it is told. Who may ask is checked by the gate in front of it. */
export interface Site {
  readonly settings: JobSettings;
  readonly app: SiteApp;
  readonly watch: JobWatch;
  /** The events are those of an execution of this process. */
  hear(events: Events): void;
  answer(context: DashboardContext): Promise<Response>;
  close(): Promise<void>;
}

export async function openSite(options: SiteOptions): Promise<Site> {
  const { settings, worker, base, jobFlags, program, holds, onError } = options;
  const { Hono } = await import("hono");
  const { now, steadyNow } = systemClocks;
  const hub = new LiveHub(randomBytes(6).toString("hex"));
  const reader = new StateReader(settings, steadyNow);
  const store = new LazyStore(settings);
  const watch = new JobWatch({
    ...{ settings, worker, reader, hub, now, steadyNow, onError },
    countToReview: async () => (await countToReview(await store.get(), settings))?.items ?? null,
    countByPersons: async (executionId) => await countByPersons(await store.get(), settings, executionId),
    openPrices: () => openPrices(settings),
  });
  const identity = { tenant: settings.tenant, job: settings.job, range: WHOLE_RANGE };
  const notifications = new SentNotifications(jobFolder(settings.batchDir, identity), identity);
  const calls = new CallRing();
  const app: SiteApp = new Hono<Inside>();
  app.notFound((context) => refuse(context, 404, "NOT_FOUND", NOTHING_HERE));
  app.onError((error, context) => refuseError(context, error, onError));
  app.use(async (context, next) => {
    context.set("session", context.env.session);
    await next();
  });
  const exports = new Exports();
  const changed = (): void => watch.changed();
  mountData(app, { settings, store: store.get, exports, by: byOf, changed, calls, jobFlags, program }, base);
  mountFleet(app, { settings, store: store.get, base });
  const runCommand = runCommandOf(program, jobFlags);
  await mountRoutes(app, { settings, watch, reader, worker, hub, notifications, exports, runCommand, base, holds });
  watch.start();
  return {
    ...{ settings, app, watch },
    hear: (events) => {
      watch.hear(events);
      notifications.hear(events, now);
      calls.hear(events);
    },
    answer: async (context) =>
      await app.fetch(context.req.raw, {
        ...context.env,
        session: context.get("session"),
        safeHeaders: context.res.headers,
      }),
    close: async () => {
      await watch.stop().catch(onError);
      hub.close();
      await store.close();
    },
  };
}

/** The demo's job is run by a command of its own. */
function runCommandOf(program: string, jobFlags: string): string {
  const [first, ...rest] = jobFlags.split(" ");
  return [program, ...(first === "--demo" ? ["demo", ...rest] : ["run", jobFlags])].join(" ").trim();
}
