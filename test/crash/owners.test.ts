import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { describe, expect, inject, it, vi } from "vitest";
import { type Cli, type CliEnd, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeHoldingJob, makeJob, type StoreName } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";

const ROUNDS = Number(process.env.QUERYMILL_OWNER_ROUNDS ?? 5);
const SLOTS = 5;

describe("two processes started at once on one job", () => {
  it.each([
    ["one state folder", "the embedded store", Math.ceil(ROUNDS / 2), ["", ""]],
    ["one target and two state folders", "MongoDB", Math.floor(ROUNDS / 2), ["", "elsewhere"]],
  ] as const)(
    "with %s, over %s: exactly one works, the other is told who, before anything is spent (%i rounds)",
    { timeout: 300_000 + 10_000 * ROUNDS },
    async (_what, store, rounds, folders) => {
      const { job, open, reopen } = await makeGatedJob(store);
      for (let round = 1; round <= rounds; round += 1) {
        reopen();
        const ids = await job.seed(SLOTS, undefined, round * SLOTS);
        const both = await Promise.all(folders.map((folder) => startIn(job, folder)));
        const loser = await Promise.race(both.map(({ ended }, at) => ended.then((end) => ({ ...end, at }))));
        const winner = both[1 - loser.at]!;
        expectRefused(loser, winner.pid);
        // The one that works has not been answered yet: nothing but its own calls were made.
        await vi.waitFor(() => expect(job.server.ledger().received).toBe(round * SLOTS), PATIENT);
        open();
        expect(await winner.ended).toMatchObject({ code: 0, stderr: "", end: { classified: SLOTS } });
        expect(await job.counted(ids)).toEqual({ target: SLOTS });
      }
      expect(job.server.ledger()).toMatchObject({ received: rounds * SLOTS, ok: rounds * SLOTS, docsPaidTwice: 0 });
    },
  );
});

describe("an owner that was stopped beyond its lease and wakes up behind its successor", () => {
  it("writes nothing, neither records nor marks, and ends with a message", async () => {
    const stored = 15;
    const asleep = Promise.withResolvers<void>();
    let received = 0;
    const job = await makeJob("MongoDB", {
      fail: async () => {
        received += 1;
        const at = received;
        if (at <= stored || at > stored + SLOTS) return null;
        await asleep.promise;
        // Of what it finds when it wakes up, some is to be written and some only to be marked.
        return at % 2 === 0 ? "refusal" : null;
      },
    });
    const ids = await job.seed(stored + SLOTS);
    const first = await startIn(job, "");
    await vi.waitFor(
      () => {
        expect(received).toBe(stored + SLOTS);
        expect(sum(first, "sink:stored", "written")).toBe(stored);
      },
      { ...PATIENT, interval: 20 },
    );
    process.kill(first.pid, "SIGSTOP");
    asleep.resolve();
    await expireLease(job);
    const second = await (await startIn(job, "elsewhere")).ended;
    expect(second).toMatchObject({ code: 0, stderr: "", end: { classified: SLOTS } });
    const before = { records: await job.records(), documents: await job.documents(ids) };
    const fences = [...before.records.values()].map(({ fence }) => Number(fence)).sort();
    expect(fences).toEqual([...Array(stored).fill(1), ...Array(SLOTS).fill(2)]);

    process.kill(first.pid, "SIGCONT");
    const woken = await first.ended;
    expect(woken).toMatchObject({ code: 4, end: { stopReason: "fenced" } });
    expect(woken.end!.message).toMatch(/Another process has taken over .*writes nothing more/);
    expect(await job.records()).toEqual(before.records);
    expect(await job.documents(ids)).toEqual(before.documents);
    expect(received).toBe(stored + 2 * SLOTS);
  });
});

describe("a job whose owner was killed", () => {
  it("goes to exactly one of six that want it at once, with nothing to clean up", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 15, SLOTS);
    const ids = await job.seed(40);
    const killed = await startIn(job, "");
    await inFlight;
    await killed.seen("item:settled", 15);
    killed.kill("SIGKILL");
    await killed.ended;
    const contenders = await Promise.all(Array.from({ length: 6 }, () => startIn(job, "", "--recover")));
    const left = new Map(contenders.map(({ ended }, at) => [at, ended.then((end) => ({ ...end, at }))]));
    const losers: CliEnd[] = [];
    while (left.size > 1) {
      const loser = await Promise.race(left.values());
      left.delete(loser.at);
      losers.push(loser);
    }
    const [winner] = [...left.keys()].map((at) => contenders[at]!);
    for (const loser of losers) expectRefused(loser, winner!.pid);
    answer();
    expect(await winner!.ended).toMatchObject({ code: 0, stderr: "" });
    expect(await job.counted(ids)).toEqual({ target: 40 });
    expect(job.server.ledger().received).toBe(40 + SLOTS);
  });
});

/** A job whose server answers nothing until it is opened. */
async function makeGatedJob(store: StoreName) {
  let gate = Promise.withResolvers<null>();
  const job = await makeJob(store, { fail: () => gate.promise });
  return {
    job,
    open: () => gate.resolve(null),
    reopen: () => {
      gate = Promise.withResolvers<null>();
    },
  };
}

async function startIn(job: Job, folder: string, ...flags: string[]): Promise<Cli> {
  const batchDir = join(job.settings.batchDir, folder);
  await mkdir(batchDir, { recursive: true });
  return startCli([...runFlags({ ...job.settings, batchDir }), ...flags], { cwd: batchDir });
}

/** Exit 2, naming who holds it, before anything was done. */
function expectRefused(loser: CliEnd, winnerPid: number): void {
  expect({ code: loser.code, said: loser.stderr }).toEqual({
    code: 2,
    said: expect.stringMatching(new RegExp(`held by process ${winnerPid} on `)),
  });
  expect(loser.events.at(-1)).toMatchObject({ event: "error", code: "JOB_HELD" });
  expect(loser.events.filter(({ event }) => event === "item:settled")).toEqual([]);
}

function sum({ events }: Cli, name: string, field: string): number {
  return events.filter(({ event }) => event === name).reduce((total, event) => total + Number(event[field]), 0);
}

/** As if the time of the lease had passed on the server. */
async function expireLease(job: Job): Promise<void> {
  const client = await new MongoClient(inject("mongoReplicaUri")).connect();
  try {
    const leases = client.db(job.settings.db).collection("querymill_leases");
    const found = await leases.updateMany({}, { $set: { expiresAt: new Date(Date.now() - 1_000) } });
    expect(found.modifiedCount).toBe(1);
  } finally {
    await client.close();
  }
}
