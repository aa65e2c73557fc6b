import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Events } from "../../src/events.ts";
import type { Item } from "../../src/item.ts";
import { type EndpointSettings, mainEndpoint } from "../../src/job.ts";
import {
  archive,
  inspectLeftover,
  isSameQuestion,
  nextSuspects,
  quarantine,
  replayUnsunk,
} from "../../src/jobs/recovery.ts";
import type { Prompt } from "../../src/llm/provider.ts";
import { EMPTY_JOB_STATE, type Settlement } from "../../src/outcome.ts";
import { Recorder } from "../../src/recorder.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { Journal, type JournalEntry } from "../../src/state/journal.ts";
import { checkpointOf, settlementOf, temporaryFolder } from "../state/made-up-state.ts";

/** A job's folder as an execution leaves it: its journal and counts are the real parts. */
async function openJob() {
  const manager = new BatchFileManager(await temporaryFolder(), { job: "support" });
  await manager.open();
  onTestFinished(() => manager.close());
  const begin = async () => {
    const { state, stateSeq, scan } = await inspectLeftover(manager);
    const recorder = new Recorder({
      events: new Events(),
      executionId: "x",
      state,
      seq: stateSeq,
      now: () => 1_000,
      steadyNow: () => 1_000,
    });
    const journal = await Journal.open(manager.files, manager.journalFolder, manager.identity, () => recorder.state, {
      seq: stateSeq,
      segments: scan.segments,
    });
    recorder.attach(journal);
    const settle = async (key: string, changes: Partial<Settlement> = {}) => {
      recorder.admit(key);
      return await recorder.settle({ ...settlementOf(key), ...changes } as Settlement, null);
    };
    const note = (entry: JournalEntry) => journal.note(entry);
    const sunk = (from: number, to = from) => note({ kind: "sunk", seqs: [[from, to]] });
    const save = (changes: Parameters<typeof checkpointOf>[0] = {}) =>
      manager.saveCheckpoint(
        checkpointOf({ state: recorder.state, stateSeq: recorder.appliedSeq, status: "running", ...changes }),
      );
    return { recorder, journal, settle, note, sunk, save };
  };
  const replayed = async () => {
    const found: [number, string][] = [];
    await replayUnsunk(manager, await inspectLeftover(manager), async (seq, { key }) => {
      found.push([seq, key]);
    });
    return found;
  };
  const segment = (number: number) => join(manager.journalFolder, `000000000${number}.journal`);
  return { manager, begin, replayed, segment };
}

describe("what an earlier execution left", () => {
  it("is nothing in a new folder", async () => {
    const { manager } = await openJob();
    expect(await inspectLeftover(manager)).toMatchObject({
      checkpoint: null,
      state: EMPTY_JOB_STATE,
      stateSeq: 0,
      inFlight: [],
      damaged: [],
      unclean: false,
    });
  });

  it("is the outcomes that were not stored, and the calls that were under way", async () => {
    const { manager, begin, replayed } = await openJob();
    const { settle, note, sunk, save, journal, recorder } = await begin();
    for (const key of ["a", "b", "c", "d"]) note({ kind: "start", key });
    await save();
    await settle("a");
    const b = await settle("b");
    sunk(b);
    note({ kind: "released", key: "c", spend: settlementOf("c").spend, atMs: 1_000 });
    await journal.close();
    const leftover = await inspectLeftover(manager);
    expect(leftover).toMatchObject({ unclean: true, inFlight: ["d"], damaged: [] });
    expect(leftover.state.totals).toMatchObject({ classified: 2, modelCalls: 3 });
    expect(recorder.totals.classified).toBe(2);
    expect(await replayed()).toEqual([[5, "a"]]);
  });

  it("after a clean end is the counts alone", async () => {
    const { manager, begin, replayed } = await openJob();
    const { settle, sunk, save, journal } = await begin();
    sunk(await settle("a"));
    await journal.flush();
    await save({ status: "ended", sunkSeq: 2 });
    await journal.close();
    expect(await inspectLeftover(manager)).toMatchObject({ unclean: false, state: { totals: { classified: 1 } } });
    expect(await replayed()).toEqual([]);
  });

  it("does not hold an outcome that was taken back before it was confirmed", async () => {
    const { manager, begin, replayed } = await openJob();
    const { settle, recorder, journal, save } = await begin();
    await save();
    await settle("a");
    await settle("b");
    await recorder.reopen("a", "classified");
    await journal.close();
    expect(await replayed()).toEqual([[2, "b"]]);
    expect((await inspectLeftover(manager)).state.totals.classified).toBe(1);
  });

  it("does hold what was settled again after it was taken back", async () => {
    const { begin, replayed } = await openJob();
    const { settle, recorder, journal, save } = await begin();
    await save();
    await settle("a");
    await recorder.reopen("a", "classified");
    const again = await settle("a");
    await journal.close();
    expect(await replayed()).toEqual([[again, "a"]]);
  });
});

describe("damaged state", () => {
  async function threeSegments() {
    const job = await openJob();
    for (const key of ["a", "b", "c"]) {
      const { settle, save, journal } = await job.begin();
      const seq = await settle(key);
      await save({ generation: seq, status: "ended" });
      await journal.close();
    }
    return job;
  }
  const damageCheckpoints = async (manager: BatchFileManager) => {
    for (const name of ["checkpoint-0.json", "checkpoint-1.json"])
      await writeFile(join(manager.folder, name), "garbage");
  };
  const flip = async (path: string, at: number) => {
    const content = await readFile(path);
    content[at]! ^= 1;
    await writeFile(path, content);
  };

  it("with both checkpoints gone is rebuilt from the journal alone", async () => {
    const { manager, replayed } = await threeSegments();
    const { state } = await inspectLeftover(manager);
    expect(state.totals).toMatchObject({ classified: 3, modelCalls: 3, costUsd: 1.5 });
    await damageCheckpoints(manager);
    const rebuilt = await inspectLeftover(manager);
    expect(rebuilt.state).toEqual(state);
    expect(rebuilt.damaged).toEqual(["checkpoint-0.json", "checkpoint-1.json"]);
    expect((await replayed()).map(([, key]) => key)).toEqual(["a", "b", "c"]);
  });

  it("with both checkpoints gone begins at the state of the oldest segment that is left", async () => {
    const { manager } = await threeSegments();
    const { state } = await inspectLeftover(manager);
    await damageCheckpoints(manager);
    await nodeFileSystem.remove(join(manager.journalFolder, "0000000001.journal"));
    expect((await inspectLeftover(manager)).state).toEqual(state);
  });

  it("with both checkpoints and the first header gone counts nothing twice", async () => {
    const { manager, segment } = await threeSegments();
    const { state } = await inspectLeftover(manager);
    await damageCheckpoints(manager);
    await flip(segment(1), 20);
    expect((await inspectLeftover(manager)).state).toEqual(state);
  });

  it("with one checkpoint gone goes on from the other", async () => {
    for (const name of ["checkpoint-0.json", "checkpoint-1.json"]) {
      const { manager } = await threeSegments();
      const { state } = await inspectLeftover(manager);
      await writeFile(join(manager.folder, name), "");
      expect(await inspectLeftover(manager)).toMatchObject({ state, damaged: [name] });
    }
  });

  it("in the journal is set aside, and everything else is used", async () => {
    const { manager, begin, replayed, segment } = await openJob();
    const { settle, journal } = await begin();
    for (const key of ["a", "b", "c"]) await settle(key);
    await journal.close();
    const content = await readFile(segment(1));
    await flip(segment(1), content.indexOf('"key":"b"'));
    const leftover = await inspectLeftover(manager);
    expect(leftover.damaged).toEqual(["journal segment 1"]);
    expect(leftover.state.totals.classified).toBe(2);
    expect((await replayed()).map(([, key]) => key)).toEqual(["a", "c"]);
    expect(await quarantine(manager, leftover, "stamp")).toBe(1);
    const aside = await readFile(join(manager.folder, "quarantine", "stamp-segment-1-0.bin"));
    expect(content.includes(aside.subarray(20, 60))).toBe(true);
  });

  it("set aside is byte for byte what was there", async () => {
    const { manager, begin, segment } = await openJob();
    const { settle, journal } = await begin();
    const noise = Buffer.from([0xff, 0x00, 0xe9, 0x80, 0x0a]);
    await settle("a");
    await settle("b");
    await journal.close();
    const content = await readFile(segment(1));
    const at = content.lastIndexOf(10, content.length - 2) + 1;
    await writeFile(segment(1), Buffer.concat([content.subarray(0, at), noise, content.subarray(at)]));
    await quarantine(manager, await inspectLeftover(manager), "stamp");
    expect(await readFile(join(manager.folder, "quarantine", "stamp-segment-1-0.bin"))).toEqual(noise);
  });

  it("of two different times is refused: a checkpoint that knows more than the journal", async () => {
    const { manager, segment } = await threeSegments();
    await nodeFileSystem.remove(segment(3));
    await nodeFileSystem.remove(segment(2));
    await expect(inspectLeftover(manager)).rejects.toMatchObject({
      code: "STATE_DAMAGED",
      message: expect.stringMatching(/knows of 3 journal records, but the journal ends at 1.*--fresh/),
    });
  });
});

describe("suspects of a crash", () => {
  it("are all that were in flight; only one that was alone counts as such", () => {
    const first = nextSuspects({}, ["a", "b"]);
    expect(first).toEqual({ a: { crashes: 1, alone: 0 }, b: { crashes: 1, alone: 0 } });
    expect(nextSuspects(first, ["a"])).toEqual({ a: { crashes: 2, alone: 1 }, b: { crashes: 1, alone: 0 } });
    expect(nextSuspects(first, [])).toEqual(first);
  });

  it("are cleared by an outcome", async () => {
    const { manager, begin } = await openJob();
    const { settle, save, journal } = await begin();
    await save({ suspects: { a: { crashes: 1, alone: 1 }, b: { crashes: 1, alone: 0 } } });
    await settle("a");
    await journal.close();
    expect((await inspectLeftover(manager)).suspects).toEqual({ b: { crashes: 1, alone: 0 } });
  });
});

it("an archive takes journal, batches, checkpoints and retries, and leaves the dead letters", async () => {
  const { manager, begin } = await openJob();
  const { settle, save, journal } = await begin();
  await settle("a");
  await save();
  await journal.close();
  const entry = { dueMs: 1, round: 1, failure: "transient", message: "m", alike: 1, contentHash: null };
  await manager.addToRetryQueue("model", [{ ...entry, key: "waits" }]);
  await manager.deadLetters.add([{ ...entry, key: "dead", queue: "model" }]);
  const folder = await archive(manager, "2026-11-24");
  expect(await manager.files.list(folder)).toEqual(["checkpoint-1.json", "journal", "retry.queue"]);
  expect([manager.retryQueue.size, manager.deadLetters.size]).toEqual([0, 1]);
  expect(await inspectLeftover(manager)).toMatchObject({ checkpoint: null, stateSeq: 0, unclean: false });
});

describe("an answer that the target has already", () => {
  const prompt = { taxonomy: { version: "t-1" }, version: "p-1" } as Prompt;
  const item = { contentHash: "c-1" } as Item;
  const settled = {
    key: "1",
    contentHash: "c-1",
    taxonomyVersion: "t-1",
    promptVersion: "p-1",
    decidedBy: "model",
    requestedModel: null,
    executionId: "x",
  };
  const endpoint = (provider: string, name: string, fallback = 0) => ({
    ...mainEndpoint({ provider, name, baseUrl: null, apiKey: null }),
    fallback,
  });
  const isSame = (model: string, ...endpoints: EndpointSettings[]): boolean =>
    isSameQuestion({ ...settled, model }, item, prompt, endpoints);

  it("is to the same question when any model of the job gave it, fallbacks too", () => {
    const endpoints = [endpoint("openai", "small"), endpoint("groq", "big", 1)];
    expect(isSame("small-2026-01-31", ...endpoints)).toBe(true);
    expect(isSame("big", ...endpoints)).toBe(true);
    expect(isSame("other", ...endpoints)).toBe(false);
  });

  it("is not asked again for offline, but offline as a fallback takes over only its own", () => {
    expect(isSame("small", endpoint("offline", ""))).toBe(true);
    const rescued = [endpoint("openai", "small"), endpoint("offline", "", 1)];
    expect(isSame("offline-1", ...rescued)).toBe(true);
    expect(isSame("other", ...rescued)).toBe(false);
  });
});
