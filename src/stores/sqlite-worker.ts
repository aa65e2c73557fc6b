import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { type ErrorCode, messageOf, QuerymillError } from "../errors.ts";
import { SqliteCorrections } from "./sqlite-corrections.ts";
import { SqliteDocuments } from "./sqlite-documents.ts";
import { SqliteLeases } from "./sqlite-lease.ts";
import { SqliteSearch } from "./sqlite-search.ts";
import { Statements } from "./sqlite-statements.ts";
import { SqliteUpdated } from "./sqlite-updated.ts";

/**
 * The thread that owns the database file, since a synced write may block for hundreds of ms. Messages in:
 * `{id, call, args}`. Messages out: one `{id, value}` or `{id, error}` for each; id 0 tells whether opening worked.
 */
export type Calls = ReturnType<typeof open>["calls"];
export interface Request {
  readonly id: number;
  readonly call: keyof Calls | "close";
  readonly args: readonly unknown[];
}
export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

// "QMil": tells our files from those of other programs.
const applicationId = 0x514d696c;
const formatVersion = 1;
const cannotOpen = 14;
const busy = 5;
/** How long a lock of another process is waited for, in ms. */
const BUSY_MS = 5_000;

const path = workerData.path as string;
const readOnly = workerData.readOnly === true;
const port = parentPort!;

try {
  const { database, calls } = open();
  const busy = new Set<Promise<void>>();
  port.on("message", (request: Request) => {
    if (request.call === "close") {
      void Promise.allSettled(busy).then(() => {
        database.close();
        send({ id: request.id, value: null });
        port.close();
      });
      return;
    }
    const served = serve(calls, request);
    busy.add(served);
    void served.then(() => busy.delete(served));
  });
  send({ id: 0, value: process.versions.sqlite });
} catch (error) {
  send({ id: 0, error: failed(error) });
}

function open() {
  const database = readOnly ? openToRead() : new DatabaseSync(path, { timeout: BUSY_MS });
  checkFormat(database);
  if (!readOnly) useWal(database);
  const statements = new Statements(database);
  // Their tables are there in every file of ours, so that nothing is made in one that is only read.
  const documents = new SqliteDocuments(database, statements);
  const corrections = new SqliteCorrections(statements, documents);
  const search = new SqliteSearch(database, documents.table.bind(documents), readOnly);
  const updated = new SqliteUpdated(statements, documents.table.bind(documents));
  const leases = new SqliteLeases(database, statements, Date.now);
  const calls = {
    names: documents.names.bind(documents),
    count: documents.count.bind(documents),
    drop: documents.drop.bind(documents),
    insert: documents.insert.bind(documents),
    replace: documents.replace.bind(documents),
    existing: documents.existing.bind(documents),
    readByKeys: documents.readByKeys.bind(documents),
    readAll: documents.readAll.bind(documents),
    readUnprocessed: documents.readUnprocessed.bind(documents),
    readMarked: documents.readMarked.bind(documents),
    sample: documents.sample.bind(documents),
    buildIndex: documents.buildIndex.bind(documents),
    isIndexed: documents.isIndexed.bind(documents),
    countUnprocessed: documents.countUnprocessed.bind(documents),
    mark: documents.mark.bind(documents),
    buildUpdatedIndex: updated.buildUpdatedIndex.bind(updated),
    readUpdated: updated.readUpdated.bind(updated),
    marked: updated.marked.bind(updated),
    write: documents.write.bind(documents),
    history: documents.history.bind(documents),
    correct: corrections.correct.bind(corrections),
    uncorrect: corrections.uncorrect.bind(corrections),
    prepareSearch: search.prepareSearch.bind(search),
    orderOf: search.orderOf.bind(search),
    findRecords: search.findRecords.bind(search),
    countRecords: search.countRecords.bind(search),
    countByPersons: search.countByPersons.bind(search),
    timeline: search.timeline.bind(search),
    acquire: leases.acquire.bind(leases),
    renew: leases.renew.bind(leases),
    release: leases.release.bind(leases),
    forget: leases.forget.bind(leases),
    remove: leases.remove.bind(leases),
    look: leases.look.bind(leases),
  };
  return { database, calls };
}

/** A file in a folder where nothing may be written has no room for SQLite's own files: it is read as one that nobody changes. */
/** Of two who do this to a new file at the same moment, SQLite refuses one at once, without waiting as it does elsewhere. */
function useWal(database: DatabaseSync): void {
  const untilMs = Date.now() + BUSY_MS;
  for (;;) {
    try {
      database.exec("pragma journal_mode = wal; pragma synchronous = full");
      return;
    } catch (error) {
      if (((error as { errcode?: number }).errcode ?? 0) % 256 !== busy || Date.now() > untilMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function openToRead(): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MS, readOnly: true });
  try {
    database.prepare("select count(*) from sqlite_schema").get();
    return database;
  } catch (error) {
    database.close();
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== cannotOpen) throw error;
    const url = pathToFileURL(path);
    url.searchParams.set("immutable", "1");
    return new DatabaseSync(url, { timeout: BUSY_MS, readOnly: true });
  }
}

function checkFormat(database: DatabaseSync): void {
  // At one moment: another process may be making the same new file ours.
  database.exec("begin");
  const { tables } = database.prepare("select count(*) tables from sqlite_schema").get()!;
  const { application_id: owner } = database.prepare("pragma application_id").get()!;
  const { user_version: version } = database.prepare("pragma user_version").get()!;
  database.exec("commit");
  if (owner !== applicationId && Number(tables) > 0)
    throw new QuerymillError(
      "STORE_REFUSED",
      `${path} is a SQLite database of another program. Name a file that does not exist yet.`,
    );
  if (owner !== applicationId && !readOnly)
    database.exec(`pragma application_id = ${applicationId}; pragma user_version = ${formatVersion}`);
  if (Number(version) > formatVersion)
    throw new QuerymillError(
      "STATE_NEWER",
      `${path} has format ${version}; this Querymill knows up to ${formatVersion}. Use the newer version that wrote it.`,
    );
}

async function serve(calls: Calls, { id, call, args }: Request): Promise<void> {
  try {
    const value = await (calls[call as keyof Calls] as (...args: readonly unknown[]) => unknown)(...args);
    send({ id, value });
  } catch (error) {
    send({ id, error: failed(error) });
  }
}

function send(reply: Reply): void {
  port.postMessage(reply);
}

function failed(error: unknown): { code: ErrorCode; message: string } {
  if (error instanceof QuerymillError) return { code: error.code, message: error.message };
  // Extended result codes carry the primary one in their low byte.
  const result = Number((error as { errcode?: number }).errcode ?? 0) & 0xff;
  const reason = messageOf(error);
  switch (result) {
    case 26:
      return {
        code: "STORE_REFUSED",
        message: `${path} is not a SQLite database. Name another file, or move it away.`,
      };
    case 8:
    case 14:
      return {
        code: "STORE_REFUSED",
        message: `${path} cannot be opened for writing (${reason}). Check that its folder exists and who may write there.`,
      };
    // None of these gets better by asking again.
    case 13:
      return {
        code: "STATE_UNWRITABLE",
        message: `The disk that holds ${path} is full. Free some space and run again.`,
      };
    case 10:
      return {
        code: "STATE_UNWRITABLE",
        message: `The disk that holds ${path} refuses to read or write it (${reason}). Repair that and run again.`,
      };
    case 11:
      return {
        code: "STORE_REFUSED",
        message: `${path} is damaged (${reason}). Move it away with its -wal file and restore a copy.`,
      };
    case busy:
      return {
        code: "STORE_FAILED",
        message: `${path} was locked by another process for more than 5 s. Try again when that is done.`,
      };
    default:
      return { code: "STORE_FAILED", message: `${path} failed: ${reason}.` };
  }
}
