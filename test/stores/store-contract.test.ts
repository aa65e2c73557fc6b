import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MongoClient } from "mongodb";
import { inject } from "vitest";
import { idOf } from "../../src/item.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { type OpenedStore, storeContract } from "../contract/store-contract.ts";

const openSqlite = async (): Promise<OpenedStore> => {
  const folder = await mkdtemp(join(tmpdir(), "querymill-sqlite-"));
  const path = join(folder, "store.db");
  return {
    store: await openSqliteStore(path),
    async remove(collection, key) {
      using database = new DatabaseSync(path);
      const { id } = database.prepare("select id from collections where name = ?").get(collection)!;
      database.prepare(`delete from documents_${id} where key = ?`).run(key);
    },
    dispose: () => rm(folder, { recursive: true }),
  };
};
storeContract("sqlite", openSqlite);
storeContract("sqlite", openSqlite, "target");

for (const service of ["mongoReplicaUri", "mongoStandaloneUri"] as const) {
  const name = service === "mongoReplicaUri" ? "mongodb replica set" : "mongodb standalone";
  const openMongo = async (): Promise<OpenedStore> => {
    const uri = inject(service);
    const database = `contract_${process.pid}_${Date.now()}`;
    const client = await new MongoClient(uri).connect();
    return {
      store: await openMongoStore(uri, database, { connectTimeoutMs: 5_000 }),
      async remove(collection, key) {
        await client
          .db(database)
          .collection(collection)
          .deleteOne({ _id: idOf(key) as never });
      },
      async dispose() {
        await client.db(database).dropDatabase();
        await client.close();
      },
    };
  };
  storeContract(name, openMongo);
  if (service === "mongoReplicaUri") storeContract(name, openMongo, "target");
}
