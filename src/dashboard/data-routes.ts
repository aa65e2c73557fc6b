import type { Context, Env, Hono } from "hono";
import { systemClocks } from "../clocks.ts";
import type { JobSettings } from "../job.ts";
import { scheduledTimes } from "../jobs/scheduled-times.ts";
import { compareRuns, executionsOf } from "../results/compare-runs.ts";
import { decide, REVIEW_QUERY, takeBack } from "../results/decisions.ts";
import { InsightsView } from "../results/insights.ts";
import { itemDetail } from "../results/item-detail.ts";
import { countItems, type ListSides, listItems, listSides } from "../results/list-items.ts";
import { parseQuery, type ResultQuery } from "../results/query.ts";
import { SimilarItems } from "../results/similar-items.ts";
import type { ScheduleSnapshot } from "../scheduling/schedule.ts";
import { zoneOf } from "../scheduling/zone.ts";
import type { RecordOrder } from "../selection.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Store } from "../store.ts";
import { API, type ItemPage, type Runs } from "./api.ts";
import { CallRing } from "./call-ring.ts";
import { answering, bodyIn, correctionIn, numberIn, refused, undoIn } from "./data-requests.ts";
import { type Exports, exportedOf, formatIn } from "./export-stream.ts";

/** What the routes of items, review, insights, runs and export need. Who may ask is checked before them. */
export interface DataDeps<E extends Env = Env> {
  readonly settings: JobSettings;
  /** Opened when it is first asked for, shared; rejects with QuerymillError while it is away. See `LazyStore`. */
  readonly store: () => Promise<Store>;
  readonly exports: Exports;
  /** Who decides, for the record; null: not known. */
  readonly by: (context: Context<E>) => string | null;
  /** Called after a decision was written or taken back. */
  readonly changed?: () => void;
  /** Calls of executions of this process, for the story of an item. @default none */
  readonly calls?: CallRing;
  /** @default when the settings, or the job's state, say */
  readonly schedules?: () => Promise<readonly ScheduleSnapshot[]>;
  /** Flags that lead a command to the same job, as they are typed. @default none */
  readonly jobFlags?: string;
  /** How the command line is typed. @default `querymill` */
  readonly program?: string;
  /** @default that of the settings */
  readonly timezone?: string;
}

const PAGE = 50;
const MOST_ITEMS = 200;
/** A page ends with what it has after so long, in ms. */
const PAGE_MS = 2_000;
const COUNTED = 10_000;
const SHOWN_EXECUTIONS = 200;
const DAYS = 28;
const MOST_DAYS = 92;
/** Indexes that are missing are looked for so often, in ms. */
const PREPARE_MS = 30_000;
const ORDERS: Readonly<Record<string, RecordOrder>> = {
  newest: "newest",
  oldest: "oldest",
  review: "review",
  "least-certain": "review",
  id: "id",
};

/** Adds the routes to an app whose middleware has checked who asks. @param base in front of each path */
export function mountData<E extends Env>(app: Hono<E>, deps: DataDeps<E>, base: string = API): void {
  const { settings, changed = () => {}, timezone = zoneOf(settings) } = deps;
  const { now, steadyNow } = systemClocks;
  const look = new Look(deps.store, settings);
  const similar = new SimilarItems(settings, steadyNow);
  const insights = new InsightsView(settings, { timezone, now, steadyNow });
  const calls = deps.calls ?? new CallRing();
  const command = (query: string): string =>
    [
      `${deps.program ?? "querymill"} items`,
      query === "" ? "" : `'${query.replaceAll("'", `'\\''`)}'`,
      deps.jobFlags ?? "",
    ]
      .filter((part) => part !== "")
      .join(" ");
  const queryIn = (text: string | undefined): ResultQuery =>
    parseQuery(text ?? "", { taxonomy: settings.taxonomy, nowMs: now(), timezone });

  const pageOf = async (context: Context<E>, query: ResultQuery, order: RecordOrder): Promise<ItemPage> => {
    const { after = null, limit } = context.req.query() as { after?: string; limit?: string };
    const sides = await look.sides();
    const size = numberIn("limit", limit, PAGE, 1, MOST_ITEMS);
    const [page, count] = await Promise.all([
      listItems(sides, { query, order, after: after || null, limit: size, maxMs: PAGE_MS }),
      after ? null : countItems(sides, query, COUNTED),
    ]);
    const typed = command(query.text);
    return {
      ...page,
      note: page.note && look.noteOr(page.note),
      count,
      query: query.text,
      command: order === "newest" ? typed : `${typed} --order ${order}`,
    };
  };

  app.get(`${base}/items`, (context) =>
    answering(context, async () => {
      const { q, order } = context.req.query() as { q?: string; order?: string };
      const found = ORDERS[order || "newest"];
      if (found === undefined) throw refused(`order is one of ${Object.keys(ORDERS).join(", ")}; got "${order}".`);
      return context.json(await pageOf(context, queryIn(q), found));
    }),
  );
  app.get(`${base}/items/:key`, (context) =>
    answering(context, async () => {
      const text = context.req.param("key");
      return context.json(await itemDetail(settings, await deps.store(), text, (key) => calls.of(key)));
    }),
  );
  app.get(`${base}/items/:key/similar`, (context) =>
    answering(context, async () => context.json(await similar.of(await look.store(), context.req.param("key")))),
  );
  app.get(`${base}/review`, (context) =>
    answering(context, async () => context.json(await pageOf(context, REVIEW_QUERY, "review"))),
  );
  app.post(`${base}/corrections`, (context) =>
    answering(context, async () => {
      const request = correctionIn(await bodyIn(context));
      const done = await decide(settings, await look.store(), request, deps.by(context), now());
      similar.changed();
      changed();
      return context.json(done);
    }),
  );
  app.post(`${base}/corrections/undo`, (context) =>
    answering(context, async () => {
      const { key } = undoIn(await bodyIn(context));
      const done = await takeBack(settings, await deps.store(), key);
      if (done === null)
        return context.json(
          {
            error: {
              code: "NOT_UNDONE",
              message:
                "This cannot be taken back: it was not decided here last, or the model has answered again since. Look at the item and decide anew.",
            },
          },
          409,
        );
      similar.changed();
      changed();
      return context.json(done);
    }),
  );
  app.get(`${base}/insights`, (context) =>
    answering(context, async () => {
      const days = numberIn("days", context.req.query("days"), DAYS, 1, MOST_DAYS);
      return context.json(await insights.of(await look.store(), settings.targetCollection, days));
    }),
  );
  app.get(`${base}/runs`, (context) =>
    answering(context, async () => {
      const { identity } = new BatchFileManager(settings.batchDir, settings);
      const runs: Runs = {
        executions: (await executionsOf(settings)).slice(-SHOWN_EXECUTIONS).reverse(),
        schedules: await (deps.schedules?.() ?? scheduledTimes(settings, identity, now())),
      };
      return context.json(runs);
    }),
  );
  app.get(`${base}/runs/compare`, (context) =>
    answering(context, async () => {
      const { a = "", b = "" } = context.req.query() as { a?: string; b?: string };
      return context.json(await compareRuns(settings, await look.store(), a, b));
    }),
  );
  app.get(`${base}/export`, (context) =>
    answering(context, async () => {
      const { q, format } = context.req.query() as { q?: string; format?: string };
      const query = queryIn(q);
      const kind = formatIn(format);
      return await deps.exports.send(context, exportedOf(await look.sides(), query, kind));
    }),
  );
}

/** The shared store, with the indexes of lists looked for now and then. */
class Look {
  readonly #open: () => Promise<Store>;
  readonly #settings: JobSettings;
  #sides: ListSides | null = null;
  #notes: readonly string[] = [];
  #preparedMs = Number.NEGATIVE_INFINITY;
  #isReady = false;

  constructor(open: () => Promise<Store>, settings: JobSettings) {
    this.#open = open;
    this.#settings = settings;
  }

  async store(): Promise<Store> {
    const store = await this.#open();
    const nowMs = systemClocks.steadyNow();
    if (!this.#isReady && nowMs - this.#preparedMs > PREPARE_MS) {
      this.#preparedMs = nowMs;
      this.#notes = await store.target(this.#settings.targetCollection).search.prepare();
      this.#isReady = this.#notes.length === 0;
    }
    return store;
  }

  async sides(): Promise<ListSides> {
    const store = await this.store();
    if (this.#sides?.store !== store) this.#sides = listSides(this.#settings, store);
    return this.#sides;
  }

  /** What is known of the reason. */
  noteOr(note: string): string {
    return this.#notes[0] ?? note;
  }
}
