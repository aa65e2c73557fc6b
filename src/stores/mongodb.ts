import { type Db, type Document, MongoClient, ReadConcern } from "mongodb";
import type { FleetStore } from "../cluster/ports.ts";
import { historyOf } from "../history.ts";
import type { CollectionSize, Lease, Source, SourceDocument, SourceOptions, Store, Target } from "../store.ts";
import { connectFailed, hostsOf, notConnectionString, storeErrors } from "./mongodb-errors.ts";
import { MongoFleet } from "./mongodb-fleet.ts";
import { MongoLease } from "./mongodb-lease.ts";
import { MongoSource } from "./mongodb-source.ts";
import { MongoTarget } from "./mongodb-target.ts";

/** Acknowledged means on the disks of a majority; set on every operation, whatever the URI or a given client says. */
const safety = {
  writeConcern: { w: "majority", j: true, wtimeoutMS: 20_000 },
  readConcern: new ReadConcern("majority"),
  readPreference: "primary",
  ignoreUndefined: true,
  promoteValues: true,
  promoteLongs: true,
  promoteBuffers: false,
  useBigInt64: false,
} as const;
const insertAtOnce = 1_000;
/** How long one collection may be counted, in ms. */
const countMs = 3_000;

export interface MongoStoreOptions {
  /** How long to look for a server, in ms. */
  readonly connectTimeoutMs: number;
  /** Used instead of an own client, and left open by `close`. Should have `retryWrites` on. */
  readonly client?: MongoClient;
}

/**
 * Connects to a standalone, a replica set or a sharded cluster.
 * @param uri may hold credentials; they are in no message
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED (authentication), USAGE (not a connection string)
 */
export async function openMongoStore(uri: string, db: string, options: MongoStoreOptions): Promise<MongoStore> {
  const client = options.client ?? newClient(uri, options.connectTimeoutMs);
  try {
    await client.connect();
    const database = client.db(db, safety);
    const hello = await database.command({ hello: 1 });
    // Needs a login where the server asks for one, but no right to anything.
    await database.listCollections({}, { nameOnly: true, authorizedCollections: true }).toArray();
    const { version } = await database.command({ buildInfo: 1 });
    const kind = hello.setName ? "replica set" : hello.msg === "isdbgrid" ? "sharded" : "standalone";
    return new MongoStore(uri, client, database, `mongodb ${version} ${kind}`, options.client === undefined);
  } catch (error) {
    if (options.client === undefined) await client.close().catch(() => {});
    throw connectFailed(error, uri, options.connectTimeoutMs);
  }
}

/** One MongoDB database as source and target. Made by {@link openMongoStore}. */
export class MongoStore implements Store {
  readonly kind = "mongodb";
  readonly address: string;
  readonly description: string;
  readonly lease: Lease;
  readonly #client: MongoClient;
  readonly #db: Db;
  readonly #uri: string;
  readonly #owned: boolean;

  constructor(uri: string, client: MongoClient, db: Db, description: string, owned: boolean) {
    this.address = `mongodb://${hostsOf(uri)}/${db.databaseName}`;
    this.description = description;
    this.#uri = uri;
    this.#client = client;
    this.#db = db;
    this.#owned = owned;
    this.lease = new MongoLease(db.collection("querymill_leases"), storeErrors(uri));
  }

  source(options: SourceOptions): Source {
    return new MongoSource(this.#db, options, storeErrors(this.#uri));
  }

  target(collection: string): Target {
    const history = this.#db.collection(historyOf(collection));
    return new MongoTarget(this.#db.collection(collection), history, storeErrors(this.#uri));
  }

  fleet(target: string): FleetStore {
    return new MongoFleet(this.#db, target, storeErrors(this.#uri));
  }

  async insert(
    collection: string,
    documents: readonly SourceDocument[],
    existing: "replace" | "keep" = "replace",
  ): Promise<void> {
    await storeErrors(this.#uri)(async () => {
      await this.#db.createCollection(collection).catch(ignoring(48));
      for (let at = 0; at < documents.length; at += insertAtOnce) {
        const some = documents.slice(at, at + insertAtOnce);
        if (existing === "keep") {
          await this.#db
            .collection(collection)
            .insertMany([...some] as Document[], { ordered: false })
            .catch(keepingOthers);
          continue;
        }
        const operations = some.map((document) => ({
          replaceOne: { filter: { _id: document._id as never }, replacement: { ...document }, upsert: true },
        }));
        await this.#db.collection(collection).bulkWrite(operations, { ordered: false });
      }
    });
  }

  async replace(collection: string, by: string): Promise<void> {
    await storeErrors(this.#uri)(() => this.#db.collection(by).rename(collection, { dropTarget: true }));
  }

  async collections(): Promise<readonly CollectionSize[]> {
    return await storeErrors(this.#uri)(async () => {
      const found = await this.#db.listCollections({}, { nameOnly: true, authorizedCollections: true }).toArray();
      const names = found.map(({ name }) => name).filter((name) => !/^(system\.|querymill_leases$)/.test(name));
      return await Promise.all(
        names.sort().map(async (name) => {
          const counted = this.#db.collection(name).estimatedDocumentCount({ maxTimeMS: countMs });
          return { name, documents: await counted.catch(() => null) };
        }),
      );
    });
  }

  async drop(collection: string): Promise<void> {
    await storeErrors(this.#uri)(() => this.#db.collection(collection).drop().catch(ignoring(26)));
  }

  async close(): Promise<void> {
    if (this.#owned) await this.#client.close();
  }
}

function newClient(uri: string, connectTimeoutMs: number): MongoClient {
  try {
    return new MongoClient(uri, {
      appName: "querymill",
      serverSelectionTimeoutMS: connectTimeoutMs,
      connectTimeoutMS: connectTimeoutMs,
      retryWrites: true,
    });
  } catch (error) {
    throw notConnectionString(error, uri);
  }
}

/** Lets documents that are there already be left out. */
function keepingOthers(error: unknown): void {
  const { writeErrors } = error as { writeErrors?: { code?: unknown }[] | { code?: unknown } };
  const errors = writeErrors === undefined ? [] : [writeErrors].flat();
  if (errors.length === 0 || errors.some(({ code }) => code !== 11_000)) throw error;
}

/** Lets a server error with this code pass: what was to be done is done already. */
function ignoring(code: number): (error: unknown) => void {
  return (error) => {
    if ((error as { code?: unknown }).code !== code) throw error;
  };
}
