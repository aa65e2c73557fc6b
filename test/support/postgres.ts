import { execFile } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, startServer } from "./server-process.ts";

const run = promisify(execFile);
/** It refuses to run as root. */
const NOBODY = 65_534;
const PASSWORD = "test-password";

export interface Postgres {
  /** `postgres://querymill:…@127.0.0.1:PORT/postgres` */
  readonly url: string;
  kill(): Promise<void>;
  /** Starts it again on its own files. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Why there is no PostgreSQL for the tests; null when there is one. Tests over it are left out then, and this is printed. */
export async function missingPostgres(): Promise<string | null> {
  if (process.env.QUERYMILL_TEST_PG) return null;
  for (const program of ["initdb", "postgres"]) {
    const there = await run(program, ["--version"], { timeout: 20_000 }).catch(() => null);
    if (there === null)
      return `left out: no PostgreSQL here. Set QUERYMILL_TEST_PG to the URL of one, or put ${program} on PATH.`;
  }
  return null;
}

/** A PostgreSQL of one's own in a folder that is removed at the end; the one of QUERYMILL_TEST_PG cannot be killed. */
export async function startPostgres(): Promise<Postgres> {
  const given = process.env.QUERYMILL_TEST_PG;
  if (given) return { url: given, kill: async () => {}, start: async () => {}, stop: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), "querymill-postgres-"));
  const who = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const secret = join(folder, "password");
  await writeFile(secret, PASSWORD);
  if (who.uid !== undefined) await Promise.all([folder, secret].map((path) => chown(path, NOBODY, NOBODY)));
  const data = join(folder, "data");
  const login = ["-U", "querymill", "--auth=scram-sha-256", `--pwfile=${secret}`];
  await run("initdb", ["-D", data, ...login, "--no-sync", "--locale=C", "-E", "UTF8"], { timeout: 60_000, ...who });
  const port = await freePort();
  const args = ["-D", data, "-p", `${port}`, "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"];
  const begin = () => startServer({ program: "postgres", args, port, cwd: folder, ...who });
  let server = await begin();
  return {
    url: `postgres://querymill:${PASSWORD}@127.0.0.1:${port}/postgres`,
    kill: () => server.kill(),
    start: async () => {
      server = await begin();
    },
    stop: async () => {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
