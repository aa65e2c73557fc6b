import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { afterEach, inject } from "vitest";
import type { SourceDocument } from "../../src/store.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { type ModelServer, type ModelServerOptions, startModelServer } from "./model-server.ts";

const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
const closing: (() => unknown)[] = [];

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of one test in which the command line is used as a person would, and what is around it. */
export interface Workspace {
  readonly folder: string;
  path(...names: string[]): string;
  write(name: string, text: string): void;
  /** Runs a command to its end. Its environment holds nothing of ours but `env`. */
  querymill(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Starts one and goes on. */
  start(
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
    user?: { readonly uid: number; readonly gid: number },
  ): { child: ChildProcess; ended: Promise<Ended> };
  /** Fills a collection of the embedded store. */
  seed(documents: readonly SourceDocument[], collection?: string, file?: string): Promise<void>;
  /** A digest of every file below a folder with its content: equal when nothing was changed. */
  digest(name?: string): string;
}

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export function makeWorkspace(): Workspace {
  const folder = mkdtempSync(join(tmpdir(), "querymill-cli-"));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = (...names: string[]): string => join(folder, ...names);
  const start: Workspace["start"] = (args, env = {}, user = undefined) => {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? "", LANG: "C.UTF-8", QUERYMILL_LOG_LEVEL: "silent", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...user,
    });
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (part: string) => {
        text[name] += part;
      });
    const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, ...text })));
    closing.push(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    return { child, ended };
  };
  return {
    folder,
    path,
    write: (name, text) => writeFileSync(path(name), text),
    querymill: (args, env) => start(args, env).ended,
    start,
    async seed(documents, collection = "conversation_set", file = "store.db") {
      const store = await openSqliteStore(path(file));
      await store.insert(collection, documents);
      await store.close();
    },
    digest: (name = "") => digestOf(path(name)),
  };
}

/** A model server, closed after the test. */
export async function serveModel(options: ModelServerOptions = {}): Promise<ModelServer> {
  const server = await startModelServer(options);
  closing.push(() => server.close());
  return server;
}

/** A database of its own on the replica set, dropped after the test. */
export async function makeDatabase(): Promise<{ uri: string; client: MongoClient; name: string }> {
  const client = await new MongoClient(inject("mongoReplicaUri")).connect();
  const name = `cli_${process.pid}_${Math.trunc(performance.now() * 1_000)}`;
  closing.push(async () => {
    await client.db(name).dropDatabase();
    await client.close();
  });
  const uri = new URL(inject("mongoReplicaUri"));
  uri.pathname = `/${name}`;
  return { uri: uri.href, client, name };
}

/** `n` queries with ids `q1` … that the model server tells apart. */
export function queries(n: number): SourceDocument[] {
  return Array.from({ length: n }, (_, at) => ({
    _id: `q${at + 1}`,
    text: `[doc:q${at + 1}] My parcel number ${at + 1} has not arrived, where is it?`,
  }));
}

/** Flags of a run on the embedded store against a model server. */
export function runFlags(server: ModelServer): string[] {
  return ["--store", "store.db", "--base-url", server.baseUrl, "--model", "drawn-1", "--job", "inbox"];
}

/** The last line of NDJSON output. */
export function lastEvent(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as Record<string, unknown>;
}

function digestOf(path: string): string {
  const hash = createHash("sha256");
  const visit = (at: string, name: string): void => {
    // Scratch of SQLite: shared memory, and what a killed process leaves beside its lock.
    if (/-shm$|owner\.lock-journal$/.test(name)) return;
    const found = statSync(at);
    hash.update(`${name} ${found.isDirectory() ? "folder" : found.size}\n`);
    // A socket has no content.
    if (found.isFile()) hash.update(readFileSync(at));
    if (found.isDirectory()) for (const inner of readdirSync(at).sort()) visit(join(at, inner), `${name}/${inner}`);
  };
  visit(path, "");
  return hash.digest("hex");
}
