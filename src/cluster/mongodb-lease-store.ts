import { loadPeers } from "../observe/peer-package.ts";
import { isBudgetOf } from "./budget-leases.ts";
import type { KeyedNews, LeaseStore } from "./lease-store.ts";
import { StoreClock } from "./store-clock.ts";

const COUNTERS = "querymill_allowances";
const NEWS = "querymill_news";
/** How often it is looked for news, and how long they are kept, in ms. */
const LOOK_MS = 2_000;
const KEPT_S = 600;
const FIRST_MS = 10_000;

/**
 * Counters in MongoDB: for fleets that have no other store, and for money, which may not be forgotten with a queue store.
 * News are there within {@link LOOK_MS}.
 * @param now a clock that is never set, in ms
 * @throws QuerymillError CONFIG_INVALID; the driver's errors
 */
export async function openMongodbLeases(uri: string, db: string, now: () => number): Promise<LeaseStore> {
  const [{ RateLimiterMongo }] = (await loadPeers("Limits of a fleet", ["rate-limiter-flexible"])) as [
    typeof import("rate-limiter-flexible"),
  ];
  const { MongoClient } = await import("mongodb");
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: FIRST_MS, writeConcern: { w: "majority" } });
  await client.connect();
  const database = client.db(db);
  const news = database.collection<KeyedNews & { at: Date }>(NEWS);
  const counters = new RateLimiterMongo({
    storeClient: client,
    dbName: db,
    tableName: COUNTERS,
    points: Number.MAX_SAFE_INTEGER,
    duration: 60,
    disableIndexesCreation: true,
  });
  await counters.createIndexes();
  await news.createIndex({ at: 1 }, { expireAfterSeconds: KEPT_S });
  let operations = 0;
  const clock = new StoreClock(now, async () => {
    operations += 1;
    const { localTime } = await database.command({ hello: 1 });
    return (localTime as Date).getTime();
  });
  await clock.look();
  let hear: LeaseStore["onNews"] = () => {};
  let timer: NodeJS.Timeout | undefined;
  let seen = new Set<string>();
  const look = async (): Promise<void> => {
    operations += 1;
    const nowMs = clock.nowMs();
    // Clocks differ and writes take their time, so a little is read several times and told once.
    const found = await news.find({ at: { $gt: new Date(nowMs - 3 * LOOK_MS) } }).toArray();
    const before = seen;
    seen = new Set(found.map(({ _id }) => _id.toHexString()));
    for (const { _id, at, ...told } of found)
      if (!before.has(_id.toHexString()))
        hear({ ...told, restMs: Math.max(0, told.restMs - Math.max(0, nowMs - at.getTime())) });
  };
  return {
    nowMs: () => clock.nowMs(),
    add: async (key, amount, keptMs) => {
      operations += 1;
      const options = { attrs: {}, customDuration: Math.ceil(keptMs / 1_000) };
      return (await counters.penalty(key, amount, options)).consumedPoints;
    },
    tell: async (told) => {
      operations += 1;
      await news.insertOne({ ...told, at: new Date(clock.nowMs()) });
    },
    get onNews() {
      return hear;
    },
    // Who leases money alone has nothing to hear.
    set onNews(listener) {
      hear = listener;
      timer ??= setInterval(() => void look().catch(() => {}), LOOK_MS);
      timer.unref();
    },
    get operations() {
      return operations;
    },
    close: async () => {
      clearInterval(timer);
      clock.close();
      await client.close();
    },
  };
}

/** Forgets what a job leased of its budgets. @param job as {@link BudgetLeases} names it */
export async function forgetBudgets(uri: string, db: string, job: string): Promise<void> {
  const { MongoClient } = await import("mongodb");
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: FIRST_MS, writeConcern: { w: "majority" } });
  try {
    const counters = client.db(db).collection(COUNTERS);
    const keys = await counters.distinct("key");
    // The package puts a word of its own before each key.
    const own = keys.filter(
      (key: unknown) => typeof key === "string" && isBudgetOf(job, key.slice(key.indexOf(":") + 1)),
    );
    await counters.deleteMany({ key: { $in: own } });
  } finally {
    await client.close();
  }
}
