import type { Redis, RedisOptions } from "ioredis";
import { loadPeers } from "../observe/peer-package.ts";
import { connectPatiently } from "./patient-connect.ts";

/** How long a connection may take, and one command, in ms. */
const COMMAND_MS = 5_000;
const LONGEST_PAUSE_MS = 10_000;

/** Pause before the next try to connect: doubles from 200 ms to 10 s, with jitter so that a fleet does not come at once. */
export function reconnectPauseMs(tries: number, random: () => number = Math.random): number {
  return Math.round(Math.min(LONGEST_PAUSE_MS, 200 * 2 ** Math.min(tries, 8)) * (0.5 + random() / 2));
}

/**
 * Connects to a Redis or Valkey. It is looked for again for ever after the first time; commands that cannot be sent
 * meanwhile fail, and so does one that is not answered in time.
 * @param blocking commands may wait as long as they were told to, also for a connection
 * @throws QuerymillError CONFIG_INVALID without ioredis; STORE_UNREACHABLE, STORE_REFUSED at the first time
 */
export async function connectRedis(url: string, blocking = false): Promise<Redis> {
  const [{ Redis: Client }] = (await loadPeers("--workers-at redis://…", ["ioredis"])) as [typeof import("ioredis")];
  const options = {
    lazyConnect: true,
    connectTimeout: COMMAND_MS,
    retryStrategy: (tries: number) => reconnectPauseMs(tries),
    // A replica that was a primary until now: the name leads to the new one.
    reconnectOnError: (error: Error) => error.message.startsWith("READONLY"),
    ...(blocking
      ? { maxRetriesPerRequest: null }
      : { maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: COMMAND_MS }),
  } satisfies RedisOptions;
  return await connectPatiently(url, async () => {
    const redis = new Client(url, options);
    let last: unknown = null;
    redis.on("error", (error) => {
      last = error;
    });
    const late = setTimeout(() => redis.disconnect(), COMMAND_MS);
    try {
      await redis.connect();
      return redis;
    } catch (error) {
      redis.disconnect();
      throw last ?? error;
    } finally {
      clearTimeout(late);
    }
  });
}
