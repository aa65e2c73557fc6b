import type { ServerResponse } from "node:http";
import { VERBS, type Verb } from "../control/protocol.ts";
import type { JobSettings } from "../job.ts";
import { packageVersion } from "../package-version.ts";
import { withoutPassword } from "../redact.ts";
import { zoneOf } from "../scheduling/zone.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { eventsTable, notificationsTable } from "./activity-tables.ts";
import { API, type Me } from "./api.ts";
import { levelIn } from "./data-requests.ts";
import { type Exports, formatIn } from "./export-stream.ts";
import { addressOf, bodyOf, roleOf, type SiteApp, type SiteContext } from "./gate.ts";
import type { JobWatch } from "./job-watch.ts";
import { type LiveHub, MOST_VIEWERS } from "./live.ts";
import { ownChanges } from "./own-changes.ts";
import { refuse } from "./problem.ts";
import type { SentNotifications } from "./sent-notifications.ts";
import { type Session, streamEndMs } from "./session.ts";
import type { StateReader } from "./state-reader.ts";
import type { Worker } from "./worker.ts";

export interface RoutesOptions {
  readonly settings: JobSettings;
  readonly watch: JobWatch;
  readonly reader: StateReader;
  readonly worker: Worker;
  readonly hub: LiveHub;
  readonly notifications: SentNotifications;
  readonly exports: Exports;
  /** Starts a run of the job, as it is typed. */
  readonly runCommand: string;
  /** In front of each path: {@link API}, or that of one of several tenants. */
  readonly base: string;
  /** Whether the token of a session was not removed meanwhile. */
  readonly holds: (session: Session) => boolean;
}

const MOST_EVENTS = 500;
const STREAM_TYPE = "text/event-stream; charset=utf-8";
/** Fields of a record that dimensions of these names have for themselves; others are in `labels`. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["category", "subcategory", "sentiment", "urgency"]);

/** What is told of a run as it is now, and what it is told to do. */
export async function mountRoutes(app: SiteApp, options: RoutesOptions): Promise<void> {
  const { settings, watch, reader, worker, hub, notifications, exports, base, holds } = options;
  const { RESPONSE_ALREADY_SENT } = await import("@hono/node-server/utils/response");
  app.get(`${base}/me`, async (context) => context.json(await meOf(context, options)));
  app.get(`${base}/overview`, async (context) => context.json(await watch.overview(true)));
  app.get(`${base}/history`, (context) => context.json(watch.history));
  app.get(`${base}/queues`, async (context) => {
    const { retry, dead } = await reader.read(await watch.look());
    return context.json({ retry, dead });
  });
  app.get(`${base}/events`, (context) => {
    const { name, after, limit } = context.req.query();
    const [afterSeq, most] = [after, limit].map((text) => (text === undefined ? null : Number(text)));
    if ([afterSeq, most].some((value) => value !== null && !(Number.isSafeInteger(value) && value! >= 0)))
      return refuse(context, 400, "USAGE", "after and limit are whole numbers.");
    return context.json(watch.events.page({ name: name || null, after: afterSeq ?? null, limit: most ?? MOST_EVENTS }));
  });
  app.get(`${base}/events/export`, async (context) => {
    const { name, level, format } = context.req.query();
    const events = watch.events.all({ name: name || null, level: levelIn(level) });
    return await exports.send(context, eventsTable(settings.job, events, formatIn(format)));
  });
  app.get(`${base}/notifications`, async (context) => context.json(await notifications.list()));
  app.get(`${base}/notifications/export`, async (context) => {
    const format = formatIn(context.req.query("format"));
    return await exports.send(context, notificationsTable(settings.job, await notifications.list(), format));
  });
  app.get(`${base}/live`, async (context) => {
    // Whoever asks for the head alone watches nothing.
    if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": STREAM_TYPE });
    const overview = await watch.overview();
    const { outgoing } = context.env;
    if (hub.viewers >= MOST_VIEWERS) {
      context.header("retry-after", "30");
      return refuse(
        context,
        503,
        "TOO_MANY",
        `${MOST_VIEWERS} pages watch this run already, and no more can. Close one, or look at it later.`,
      );
    }
    for (const [header, value] of context.env.safeHeaders) outgoing.setHeader(header, value);
    outgoing.setHeader("content-type", STREAM_TYPE);
    // A proxy that gathers answers would hold the stream back.
    outgoing.setHeader("x-accel-buffering", "no");
    outgoing.statusCode = 200;
    const session = context.get("session");
    const lasts = { untilMs: streamEndMs(session), holds: () => holds(session) };
    hub.add(outgoing as ServerResponse, context.req.header("last-event-id"), lasts, overview);
    return RESPONSE_ALREADY_SENT;
  });
  app.post(`${base}/control/:verb`, async (context) => {
    const verb = context.req.param("verb");
    if (!Object.hasOwn(VERBS, verb))
      return refuse(context, 404, "USAGE", `There is no verb ${verb}. There are: ${Object.keys(VERBS).join(", ")}.`);
    if (verb === "reload" && context.get("session").tenant !== null)
      return refuse(
        context,
        403,
        "FORBIDDEN",
        "The settings are those of all tenants: they are read again by whoever may see all of them.",
      );
    const body = await bodyOf(context);
    if (body === undefined) return refuse(context, 400, "USAGE", "The request is no JSON.");
    const by = byOf(context);
    const done = await worker.tell(verb as Verb, body, by);
    const changes = ownChanges(done.changes, options.settings.tenant);
    if (!worker.isNear) watch.tell("control:command", { executionId: "", verb, by, changes });
    watch.changed();
    const { state, requeued } = done;
    return context.json({ verb, state, changes, ...(requeued === undefined ? {} : { requeued }) });
  });
}

/** Who did something, as the log and the terminal tell it. */
export function byOf(context: SiteContext): string {
  return `dashboard, ${addressOf(context)}`;
}

async function meOf(context: SiteContext, { settings, watch, reader, runCommand }: RoutesOptions): Promise<Me> {
  const look = await watch.look();
  const { snapshot } = look;
  const stored = await reader.read(look).catch(() => reader.last);
  const { job, tenant, storeUri, sourceCollection, targetCollection, taxonomy } = settings;
  return {
    role: roleOf(context),
    version: packageVersion(),
    job,
    tenant,
    fleet: (settings.workersAt ?? null) !== null,
    store: withoutPassword(snapshot?.store || storeUri),
    source: sourceCollection,
    target: targetCollection,
    model: snapshot?.model || stored.model,
    taxonomyVersion: snapshot?.taxonomyVersion ?? taxonomy.version,
    promptVersion: snapshot?.promptVersion ?? stored.promptVersion ?? "",
    dimensions: dimensionsOf(taxonomy),
    runCommand,
    timezone: zoneOf(settings),
  };
}

function dimensionsOf({ dimensions }: Taxonomy): Me["dimensions"] {
  return dimensions.map(({ id, choose, required, labels }) => ({
    id,
    field: OWN_FIELDS.has(id) ? id : `labels.${id}`,
    many: choose === "many",
    required,
    labels: labels.map((label) => ({ id: label.id, description: label.description })),
  }));
}
