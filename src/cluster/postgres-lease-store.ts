import type { PoolClient } from "pg";
import { loadPeers } from "../observe/peer-package.ts";
import { type LeaseStore, newsIn } from "./lease-store.ts";
import { connectPostgres } from "./postgres-place.ts";
import { StoreClock } from "./store-clock.ts";

const TABLE = "querymill_allowances";
const NEWS = "querymill_news";
const LISTEN_AGAIN_MS = 5_000;

/**
 * Counters in a table of PostgreSQL; news go through LISTEN and NOTIFY.
 * @param now a clock that is never set, in ms
 * @throws QuerymillError CONFIG_INVALID, STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openPostgresLeases(url: string, now: () => number): Promise<LeaseStore> {
  const [{ RateLimiterPostgres }] = (await loadPeers("--workers-at", ["rate-limiter-flexible"])) as [
    typeof import("rate-limiter-flexible"),
  ];
  const pool = await connectPostgres(url);
  let operations = 0;
  let isClosed = false;
  const counters = await new Promise<InstanceType<typeof RateLimiterPostgres>>((resolve, reject) => {
    const made = new RateLimiterPostgres(
      { storeClient: pool, storeType: "pool", tableName: TABLE, points: 2 ** 31 - 1, duration: 60 },
      (error?: Error) => (error ? reject(error) : resolve(made)),
    );
  });
  const clock = new StoreClock(now, async () => {
    operations += 1;
    const { rows } = await pool.query<{ ms: number }>(
      "select extract(epoch from clock_timestamp())::float8 * 1000 as ms",
    );
    return rows[0]!.ms;
  });
  const store: LeaseStore = {
    nowMs: () => clock.nowMs(),
    add: async (key, amount, keptMs) => {
      operations += 1;
      const options = { customDuration: Math.ceil(keptMs / 1_000) };
      return (await counters.penalty(key, amount, options)).consumedPoints;
    },
    tell: async (news) => {
      operations += 1;
      await pool.query("select pg_notify($1, $2)", [NEWS, JSON.stringify(news)]);
    },
    onNews: () => {},
    get operations() {
      return operations;
    },
    close: async () => {
      isClosed = true;
      clock.close();
      clearTimeout(listening);
      leave();
      await pool.end();
    },
  };
  let ear: PoolClient | null = null;
  let listening: NodeJS.Timeout | undefined;
  const leave = (): void => {
    ear?.release(true);
    ear = null;
  };
  const listen = async (): Promise<void> => {
    const client = await pool.connect();
    ear = client;
    if (isClosed) return leave();
    client.on("notification", ({ payload }) => {
      const news = newsIn(payload);
      if (news !== null) store.onNews(news);
    });
    client.on("error", () => {
      if (client === ear) again();
    });
    await client.query(`listen ${NEWS}`);
  };
  // A connection that breaks while it begins to listen says so twice.
  const again = (): void => {
    leave();
    clearTimeout(listening);
    if (isClosed) return;
    listening = setTimeout(() => void listen().catch(again), LISTEN_AGAIN_MS).unref();
  };
  try {
    await clock.look();
    await listen();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
