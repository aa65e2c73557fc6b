import { MongoClient } from "mongodb";
import { expect, inject, it, onTestFinished } from "vitest";
import { HandOver } from "../../src/cluster/hand-over.ts";
import { type ItemKey, keyOf } from "../../src/item.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { type QueueEntry, RetryQueue } from "../../src/state/retry-queue.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { IDENTITY, temporaryFolder } from "../state/made-up-state.ts";

const [FIRST, SECOND] = [keyOf("a"), keyOf("b")];
const entryOf = (key: string, round: number): QueueEntry => ({
  key,
  queue: "model",
  dueMs: round * 1_000,
  round,
  failure: "transient",
  message: "HTTP 503",
  alike: round,
  contentHash: null,
});

/** The first entry is replaced when the second is read. */
class ReplacingQueue extends RetryQueue {
  override async read(key: ItemKey): Promise<QueueEntry | null> {
    if (key === SECOND && this.get(FIRST)!.round === 1) await this.add([entryOf(FIRST, 2)]);
    return await super.read(key);
  }
}

it("an entry that is replaced while others are read is brought again", async () => {
  const database = `hand_over_${process.pid}`;
  const client = await new MongoClient(inject("mongoReplicaUri")).connect();
  const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
  onTestFinished(async () => {
    await client.db(database).dropDatabase();
    await client.close();
  });
  const { handed } = store.fleet("t");
  const folder = await temporaryFolder();
  const retryQueue = new ReplacingQueue(nodeFileSystem, folder, "retry", IDENTITY);
  const deadLetters = new RetryQueue(nodeFileSystem, folder, "dead", IDENTITY);
  for (const queue of [retryQueue, deadLetters]) {
    await queue.open();
    onTestFinished(() => queue.close());
  }
  await retryQueue.add([entryOf(FIRST, 1), entryOf(SECOND, 1)]);
  const handOver = new HandOver(handed, "r1");
  const rounds = async (): Promise<Record<string, number>> => {
    await handOver.bring({ retryQueue, deadLetters });
    const found: Record<string, number> = {};
    for await (const entries of handed.of("r1"))
      for (const { key, entry } of entries) found[key] = (JSON.parse(entry) as QueueEntry).round;
    return found;
  };
  expect(await rounds()).toEqual({ [FIRST]: 1, [SECOND]: 1 });
  expect(await rounds()).toEqual({ [FIRST]: 2, [SECOND]: 1 });
});
