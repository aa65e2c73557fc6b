import type { Pool } from "pg";
import { loadPeers } from "../observe/peer-package.ts";
import { storeAway } from "./store-url.ts";

const FIRST_MS = 10_000;
const STATEMENT_MS = 5_000;
const CONNECTIONS = 4;

/**
 * A pool of connections to a PostgreSQL. One that breaks is replaced when it is next needed.
 * @throws QuerymillError CONFIG_INVALID without pg; STORE_UNREACHABLE, STORE_REFUSED
 */
export async function connectPostgres(url: string): Promise<Pool> {
  const [loaded] = (await loadPeers("--workers-at postgres://…", ["pg"])) as [typeof import("pg")];
  const pool = new loaded.default.Pool({
    connectionString: url,
    max: CONNECTIONS,
    keepAlive: true,
    connectionTimeoutMillis: STATEMENT_MS,
  });
  // An idle connection that breaks is no error of anybody.
  pool.on("error", () => {});
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("no answer")), FIRST_MS).unref();
  });
  try {
    await Promise.race([pool.query("select 1"), late]);
    return pool;
  } catch (error) {
    void pool.end().catch(() => {});
    throw storeAway(error, url);
  }
}
