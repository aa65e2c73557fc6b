import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type JobSettings, MARK_FIELDS } from "../../src/job.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { type Job, makeJob, type Started, textWith } from "../support/job.ts";
import { until } from "../support/patience.ts";
import { type ReplicaSet, startReplicaSet } from "../support/replica-set.ts";

/** No poll comes to help, and a store that is away for longer than a moment would end a run of batch mode. */
const CONTINUOUS = { mode: "continuous", intervalSeconds: 86_400 } as const;
const MOMENT_MS = 100;
const SOURCE = "conversation_set";
/** Also what takes a minute: a log of changes that is written full. */
const WHOLE = process.env.QUERYMILL_CRASH_OPLOG === "1";

describe("a replica set of one's own", () => {
  let set: ReplicaSet;
  let client: MongoClient;
  let made = 0;
  beforeAll(async () => {
    set = await startReplicaSet();
    client = new MongoClient(set.uri);
  });
  afterAll(async () => {
    await client.close();
    await set.stop();
  });

  const goAway = () => Promise.all(set.members.map((member) => set.kill(member)));
  const comeBack = async () => {
    await Promise.all(set.members.map((member) => set.start(member)));
    await set.whole();
  };
  /** A job there, with short patience. */
  const placed = (job: Job): Partial<JobSettings> & { db: string } => {
    made += 1;
    const deadlines = { ...job.settings.deadlines, connectMs: 1_000, storeMs: MOMENT_MS };
    return { ...CONTINUOUS, storeUri: set.uri, db: `away_${process.pid}_${made}`, deadlines };
  };
  const insert = async (db: string, from: number, count: number): Promise<void> => {
    const ids = Array.from({ length: count }, (_, at) => `q${String(from + at).padStart(4, "0")}`);
    await client
      .db(db)
      .collection(SOURCE)
      .insertMany(ids.map((id) => ({ _id: id as never, text: textWith(id) })));
  };

  it("that is away with answers on their way: waits, spends and loses nothing, and goes on by itself; ends when another took over", async () => {
    const answer = Promise.withResolvers<null>();
    const job = await makeJob("MongoDB", { fail: (id) => (id > "q0010" && id <= "q0020" ? answer.promise : null) });
    const settings = placed(job);
    await insert(settings.db, 1, 10);
    const started = await job.start({ ...settings, concurrent: 5 });
    await until(() => stored(started) >= 10);
    await insert(settings.db, 11, 10);
    await until(() => job.server.ledger().inFlight === 5);
    await goAway();
    answer.resolve(null);
    const { execution, ended, seen } = started;
    await until(() => execution.snapshot().waiting?.reason.startsWith("the store does not answer") === true);
    expect(execution.snapshot()).toMatchObject({ state: "waiting", waiting: { untilMs: null } });
    // Far longer than a run of batch mode would wait: it holds its calls back as soon as its lease is late.
    const early = await Promise.race([ended, delay(12_000)]);
    expect(early).toBeUndefined();
    const { received } = job.server.ledger();
    expect(received).toBeLessThanOrEqual(20);
    await comeBack();
    await until(() => seen["execution:resume"].length > 0 && stored(started) >= 20);
    expect(job.server.ledger()).toMatchObject({ received: 20, docsPaidTwice: 0 });
    // The change stream is back as well.
    await until(() => execution.snapshot().watch?.watching === true);
    await insert(settings.db, 21, 3);
    await until(() => stored(started) >= 23);
    const records = client.db(settings.db).collection(settings.targetCollection ?? "sentimental_analysis");
    expect(await records.countDocuments()).toBe(23);
    expect(await client.db(settings.db).collection(SOURCE).countDocuments({ processed: true })).toBe(23);

    await client
      .db(settings.db)
      .collection("querymill_leases")
      .updateOne({ holder: { $ne: null } }, { $inc: { fence: 1 }, $set: { "holder.ownerId": "somebody else" } });
    const { end } = await ended;
    expect(end).toMatchObject({ exitCode: 4, stopReason: "fenced", classified: 23 });
  });

  if (WHOLE)
    it("that has forgotten where the changes go on: says so, and watches anew", async () => {
      const store = await openMongoStore(set.uri, `away_${process.pid}_log`, { connectTimeoutMs: 5_000 });
      const source = store.source({ collection: SOURCE, mark: MARK_FIELDS, filter: null, fields: ["text"] });
      const watchFrom = async (resumeAfter: string | null) => {
        const stopping = new AbortController();
        const states: (string | null)[] = [];
        let token = "";
        const ended = source.watch!({
          resumeAfter,
          signal: stopping.signal,
          onChanges: (_, next) => {
            token = next;
          },
          onState: (trouble) => states.push(trouble),
        });
        await until(() => states.includes(null));
        await store.insert(SOURCE, [{ _id: String(resumeAfter), text: "a" }]);
        await until(() => token !== "");
        stopping.abort();
        await ended;
        return { states, token };
      };
      const { token } = await watchFrom(null);
      // The servers keep 64 MB of changes.
      const large = Array.from({ length: 150 }, (_, _id) => ({ _id, body: Buffer.alloc(1_000_000, _id) }));
      for (let at = 0; at < large.length; at += 15) await store.insert("large", large.slice(at, at + 15));
      const oplog = client.db("local").collection("oplog.rs");
      const first = () => oplog.find({}, { sort: { $natural: 1 }, limit: 1 }).toArray();
      const [before] = await first();
      let written = large.length;
      await until(async () => {
        // A server keeps what is not in a checkpoint yet.
        await client.db("admin").command({ fsync: 1 });
        written += 1;
        await store.insert("large", [{ _id: written, body: Buffer.alloc(8_000_000, written) }]);
        const [now] = await first();
        return !now!.ts.equals(before!.ts);
      });
      const { states } = await watchFrom(token);
      expect(states).toEqual([expect.stringMatching(/no longer known \(.*ChangeStreamHistoryLost\)/), null]);
      await store.close();
    });

  it("that is away at the start: waits visibly and begins by itself, or ends at once when it is told to", async () => {
    const job = await makeJob("MongoDB");
    const settings = placed(job);
    await insert(settings.db, 1, 4);
    await goAway();
    const told = await job.start({ ...settings, batchDir: `${settings.batchDir ?? job.settings.batchDir}-b` });
    const started = await job.start(settings);
    const { execution, seen } = started;
    await until(() => seen["execution:wait"].length > 0 && told.seen["execution:wait"].length > 0);
    expect(seen["execution:wait"][0]).toMatchObject({
      reason: expect.stringContaining("did not answer"),
      untilMs: null,
    });
    expect(execution.snapshot()).toMatchObject({ state: "starting", waiting: { untilMs: expect.any(Number) } });
    told.execution.stop("signal");
    await expect(told.ended).rejects.toMatchObject({ code: "RUN_STOPPED" });
    expect(seen["execution:start"]).toEqual([]);
    await comeBack();
    await until(() => stored(started) >= 4);
    expect(seen["execution:resume"]).toHaveLength(1);
    execution.stop("stop-requested");
    expect((await started.ended).end).toMatchObject({ exitCode: 0, classified: 4 });
  });
});

describe("a start that no waiting can mend", () => {
  it("ends at once where the collection is missing, or the login is refused", async () => {
    const job = await makeJob("MongoDB");
    await expect(job.run(CONTINUOUS)).rejects.toMatchObject({ code: "COLLECTION_MISSING" });
    const storeUri = inject("mongoStandaloneUri").replace("mongodb://", "mongodb://anna:wrong-w0rd@");
    await expect(job.run({ ...CONTINUOUS, storeUri })).rejects.toMatchObject({ code: "STORE_REFUSED" });
  });

  it("does not wait in batch mode", async () => {
    const job = await makeJob("MongoDB");
    const storeUri = `mongodb://127.0.0.1:${await freePort()}`;
    const deadlines = { ...job.settings.deadlines, connectMs: 300 };
    await expect(job.run({ storeUri, deadlines })).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
  });
});

/** Items whose record and mark are confirmed. */
function stored({ seen }: Started): number {
  return seen["sink:stored"].reduce((sum, { marked }) => sum + marked, 0);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
