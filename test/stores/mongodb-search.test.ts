import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { ALL_RECORDS } from "../../src/selection.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { recordWith } from "../contract/store-contract.ts";

const database = `mongodb_search_${process.pid}`;
const MANY = 60_000;
let client: MongoClient;

beforeAll(async () => {
  client = await new MongoClient(inject("mongoReplicaUri")).connect();
});
afterAll(async () => {
  await client.db(database).dropDatabase();
  await client.close();
});

it("lists by id while another client is still building the indexes, and in its order from then on", async () => {
  const records = client.db(database).collection("results");
  for (let at = 0; at < MANY; at += 10_000)
    await records.insertMany(
      Array.from({ length: 10_000 }, (_, one) => ({
        ...recordWith({ classifiedAt: new Date(1e12 - at - one) }),
        _id: at + one,
      })) as never[],
    );
  let isBuilt = false;
  const built = records
    .createIndexes([
      { name: "querymill_classified_at", key: { classifiedAt: 1, _id: 1 } },
      { name: "querymill_review", key: { needsReview: -1, "confidence.category": 1, _id: 1 } },
    ])
    .then(() => {
      isBuilt = true;
    });
  const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000 });
  const { search } = store.target("results");
  const newest = { selection: ALL_RECORDS, order: "newest", after: null, limit: 1, maxMs: 5_000 } as const;
  while (!isBuilt) {
    await search.prepare();
    expect((await search.find(newest)).documents).toHaveLength(1);
  }
  await built;
  expect(await search.prepare()).toEqual([]);
  expect(await search.find(newest)).toMatchObject({ documents: [{ _id: 0 }], order: "newest" });
  await store.close();
});
