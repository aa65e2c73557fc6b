import { loadPeers } from "../observe/peer-package.ts";
import { type LeaseStore, newsIn } from "./lease-store.ts";
import { connectRedis } from "./redis-place.ts";
import { StoreClock } from "./store-clock.ts";

const NEWS = "querymill:news";

/**
 * Counters in Redis or Valkey; news go through its channels and are there at once.
 * @param now a clock that is never set, in ms
 * @throws QuerymillError CONFIG_INVALID, STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openRedisLeases(url: string, now: () => number): Promise<LeaseStore> {
  const [{ RateLimiterRedis }] = (await loadPeers("--workers-at", ["rate-limiter-flexible"])) as [
    typeof import("rate-limiter-flexible"),
  ];
  const redis = await connectRedis(url);
  const ear = await connectRedis(url, true);
  let operations = 0;
  const counters = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: "querymill:lease",
    points: Number.MAX_SAFE_INTEGER,
    duration: 60,
    rejectIfRedisNotReady: true,
  });
  const clock = new StoreClock(now, async () => {
    operations += 1;
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1_000 + Number(micros) / 1_000;
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
      await redis.publish(NEWS, JSON.stringify(news));
    },
    onNews: () => {},
    get operations() {
      return operations;
    },
    close: async () => {
      clock.close();
      redis.disconnect();
      ear.disconnect();
    },
  };
  ear.on("message", (_channel, text) => {
    const news = newsIn(text);
    if (news !== null) store.onNews(news);
  });
  try {
    await clock.look();
    await ear.subscribe(NEWS);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
