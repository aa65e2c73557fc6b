import { mkdir, open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { messageOf, QuerymillError } from "../errors.ts";
import { keyOf } from "../item.ts";
import type { CollectionSize, Lease, Source, SourceDocument, SourceOptions, Store, Target } from "../store.ts";
import { bodyOf } from "./sqlite-body.ts";
import { SqliteSource } from "./sqlite-source.ts";
import { SqliteTarget } from "./sqlite-target.ts";
import { StoreThread } from "./sqlite-thread.ts";

const insertAtOnce = 1_000;

/**
 * Opens the embedded store: one SQLite file (made with its folder when missing, readable by its owner only) in a
 * worker thread. Committed means synced to disk.
 * @throws QuerymillError STORE_REFUSED (not a database, not ours, not writable), STATE_NEWER, STORE_FAILED
 */
export async function openSqliteStore(path: string, options: SqliteStoreOptions = {}): Promise<SqliteStore> {
  const file = resolve(path);
  const readOnly = options.readOnly === true;
  if (!readOnly) await makeWritable(file);
  const thread = new StoreThread(file, readOnly);
  const version = await thread.opened;
  return new SqliteStore(file, `sqlite ${version}`, thread);
}

export interface SqliteStoreOptions {
  /** The file is there and is not written; whatever would write fails. @default false */
  readonly readOnly?: boolean;
}

async function makeWritable(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await (await open(file, "a", 0o600)).close();
  } catch (error) {
    throw new QuerymillError(
      "STORE_REFUSED",
      `${file} cannot be opened for writing (${messageOf(error)}). Check that its folder exists and who may write there. A source that may not be written: --mark target, with --source-uri for it and --target-uri for the results.`,
      { cause: error },
    );
  }
}

/** Made by {@link openSqliteStore}. */
export class SqliteStore implements Store {
  readonly kind = "sqlite";
  readonly address: string;
  readonly description: string;
  readonly lease: Lease;
  readonly #thread: StoreThread;

  constructor(address: string, description: string, thread: StoreThread) {
    this.address = address;
    this.description = description;
    this.#thread = thread;
    const { ask } = thread;
    this.lease = {
      acquire: (target, holder, ttlMs) => ask("acquire", target, holder, ttlMs),
      renew: (target, ownerId, fence, ttlMs) => ask("renew", target, ownerId, fence, ttlMs),
      release: (target, ownerId, fence) => ask("release", target, ownerId, fence),
      forget: (target) => ask("forget", target),
      remove: (target) => ask("remove", target),
      look: (target) => ask("look", target),
    };
  }

  source(options: SourceOptions): Source {
    return new SqliteSource(this.#thread.ask, options, this.address);
  }

  target(collection: string): Target {
    return new SqliteTarget(this.#thread.ask, collection);
  }

  async insert(
    collection: string,
    documents: readonly SourceDocument[],
    existing: "replace" | "keep" = "replace",
  ): Promise<void> {
    for (let at = 0; at === 0 || at < documents.length; at += insertAtOnce) {
      const rows = documents.slice(at, at + insertAtOnce);
      await this.#thread.ask(
        "insert",
        collection,
        rows.map((document) => ({ key: keyOf(document._id), body: bodyOf(document) })),
        existing,
      );
    }
  }

  async replace(collection: string, by: string): Promise<void> {
    await this.#thread.ask("replace", collection, by);
  }

  async collections(): Promise<readonly CollectionSize[]> {
    const { ask } = this.#thread;
    const names = await ask("names");
    return await Promise.all(names.map(async (name) => ({ name, documents: await ask("count", name) })));
  }

  async drop(collection: string): Promise<void> {
    await this.#thread.ask("drop", collection);
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }
}
