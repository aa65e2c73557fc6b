import type { Pool } from "pg";
import { loadPeers } from "../observe/peer-package.ts";
import { connectPatiently } from "./patient-connect.ts";

const STATEMENT_MS = 5_000;
const CONNECTIONS = 4;

/**
 * A pool of connections to a PostgreSQL. One that breaks is replaced when it is next needed.
 * @throws QuerymillError CONFIG_INVALID without pg; STORE_UNREACHABLE, STORE_REFUSED
 */
export async function connectPostgres(url: string): Promise<Pool> {
  const [loaded] = (await loadPeers("--workers-at postgres://…", ["pg"])) as [typeof import("pg")];
  return await connectPatiently(url, async () => {
    const pool = new loaded.default.Pool({
      connectionString: url,
      max: CONNECTIONS,
      keepAlive: true,
      connectionTimeoutMillis: STATEMENT_MS,
    });
    // An idle connection that breaks is no error of anybody.
    pool.on("error", () => {});
    try {
      await pool.query("select 1");
      return pool;
    } catch (error) {
      void pool.end().catch(() => {});
      throw error;
    }
  });
}
