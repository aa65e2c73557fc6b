import { readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FileSystem, nodeFileSystem } from "../../src/state/files.ts";
import { encodeFrame } from "../../src/state/frame.ts";
import { type QueueEntry, RetryQueue } from "../../src/state/retry-queue.ts";
import { faultyFiles, IDENTITY, temporaryFolder } from "./made-up-state.ts";

const entryOf = (key: string, changes: Partial<QueueEntry> = {}): QueueEntry => ({
  key,
  queue: "model",
  dueMs: 1_000,
  round: 1,
  failure: "transient",
  message: "HTTP 503",
  alike: 1,
  contentHash: null,
  payload: { attempts: 4, answer: `payload of ${key}` },
  ...changes,
});

async function openQueue(folder: string, files: FileSystem = nodeFileSystem): Promise<RetryQueue> {
  const queue = new RetryQueue(files, folder, "retry", IDENTITY);
  await queue.open();
  return queue;
}

const pathIn = (folder: string) => join(folder, "retry.queue");
const keysOf = (queue: RetryQueue) => [...queue.keys()].sort();

it("adds, replaces, removes and reads back with payload, also after it was opened again", async () => {
  const folder = await temporaryFolder();
  let queue = await openQueue(folder);
  await queue.add([entryOf("a"), entryOf("b", { dueMs: 500 }), entryOf("c", { queue: "store" })]);
  await queue.add([entryOf("a", { round: 2, payload: { attempts: 8 } })]);
  await queue.remove(["b", "unknown"]);
  for (let opened = 0; opened < 3; opened += 1) {
    expect(keysOf(queue)).toEqual(["a", "c"]);
    expect(await queue.read("a")).toEqual(entryOf("a", { round: 2, payload: { attempts: 8 } }));
    expect(await queue.read("c")).toEqual(entryOf("c", { queue: "store" }));
    expect([await queue.read("b"), queue.get("b")]).toEqual([null, null]);
    expect(queue.get("a")).not.toHaveProperty("payload");
    await queue.close();
    queue = await openQueue(folder);
  }
  await queue.close();
});

it("lists what is due, by queue and failure, in the order it comes due", async () => {
  const queue = await openQueue(await temporaryFolder());
  await queue.add([
    entryOf("late", { dueMs: 3_000 }),
    entryOf("early", { dueMs: 1_000, failure: "content" }),
    entryOf("middle", { dueMs: 2_000, queue: "mark" }),
  ]);
  expect(queue.list().map(({ key }) => key)).toEqual(["early", "middle", "late"]);
  expect(queue.list({ dueMs: 2_000 }).map(({ key }) => key)).toEqual(["early", "middle"]);
  expect(queue.list({ queue: "mark" }).map(({ key }) => key)).toEqual(["middle"]);
  expect(queue.list({ failure: "content" }).map(({ key }) => key)).toEqual(["early"]);
  expect(queue.nextDueMs()).toBe(1_000);
  await queue.remove(["early", "middle", "late"]);
  expect([queue.nextDueMs(), queue.size]).toEqual([null, 0]);
  await queue.close();
});

it("is what the same calls make of a map, over any calls and openings", async () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        op: fc.constant("add" as const),
        keys: fc.array(key, { maxLength: 3 }),
        round: fc.nat(9),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant("remove" as const),
        keys: fc.array(key, { maxLength: 3 }),
        round: fc.nat(9),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constant("reopen" as const), keys: fc.constant([]), round: fc.nat(9) }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const folder = await temporaryFolder();
      let queue = await openQueue(folder);
      const expected = new Map<string, number>();
      for (const { op, keys, round } of steps) {
        if (op === "add") {
          await queue.add(keys.map((name) => entryOf(name, { round })));
          for (const name of keys) expected.set(name, round);
        } else if (op === "remove") {
          await queue.remove(keys);
          for (const name of keys) expected.delete(name);
        } else {
          await queue.close();
          queue = await openQueue(folder);
        }
        expect(new Map([...queue.keys()].map((name) => [name, queue.get(name)?.round]))).toEqual(expected);
        for (const [name, value] of expected) expect((await queue.read(name))?.round).toBe(value);
      }
      await queue.close();
    }),
    { seed: 7, numRuns: 40 },
  );
});

it("keeps the order of calls that were not waited for", async () => {
  const folder = await temporaryFolder();
  const queue = await openQueue(folder);
  await Promise.all([queue.add([entryOf("a")]), queue.add([entryOf("a", { round: 5 })]), queue.add([entryOf("b")])]);
  await Promise.all([queue.remove(["b"]), queue.add([entryOf("b", { round: 7 })])]);
  await queue.close();
  const again = await openQueue(folder);
  expect([again.get("a")?.round, again.get("b")?.round]).toEqual([5, 7]);
  await again.close();
});

it("a removal that follows an addition at once removes it", async () => {
  const queue = await openQueue(await temporaryFolder());
  await Promise.all([queue.add([entryOf("a")]), queue.remove(["a"])]);
  expect(keysOf(queue)).toEqual([]);
  await queue.close();
});

it("opened again after its file was moved away is empty", async () => {
  const folder = await temporaryFolder();
  const queue = await openQueue(folder);
  await queue.add([entryOf("old")]);
  await queue.close();
  await nodeFileSystem.rename(pathIn(folder), join(folder, "archived"));
  await queue.open();
  expect([queue.size, queue.get("old"), queue.nextDueMs()]).toEqual([0, null, null]);
  await queue.add([entryOf("new")]);
  expect(await queue.read("new")).toEqual(entryOf("new"));
  await queue.close();
  const again = await openQueue(folder);
  expect(keysOf(again)).toEqual(["new"]);
  await again.close();
});

describe("a damaged queue file", () => {
  async function filled() {
    const folder = await temporaryFolder();
    const queue = await openQueue(folder);
    for (const key of ["a", "b", "c"]) await queue.add([entryOf(key)]);
    await queue.close();
    const content = await readFile(pathIn(folder));
    return { folder, content, headerBytes: content.indexOf(10) + 1 };
  }

  it("with a flipped bit keeps all other entries and counts the damage", async () => {
    const { folder, content, headerBytes } = await filled();
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length - 1), fc.nat(7), async (at, bit) => {
        const flipped = Buffer.from(content);
        flipped[at]! ^= 1 << bit;
        await writeFile(pathIn(folder), flipped);
        const owner =
          at < headerBytes ? "" : "abc"[Math.floor(((at - headerBytes) * 3) / (content.length - headerBytes))]!;
        const queue = new RetryQueue(nodeFileSystem, folder, "retry", IDENTITY);
        const { damaged } = await queue.open();
        for (const key of "abc") if (key !== owner) expect(await queue.read(key)).toEqual(entryOf(key));
        expect(damaged).toBe(queue.get(owner) === null && owner !== "c" ? 1 : damaged);
        await queue.close();
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  it("cut anywhere keeps what is whole, and takes more", async () => {
    const { folder, content, headerBytes } = await filled();
    for (let cut = content.length; cut >= 0; cut -= 7) {
      await writeFile(pathIn(folder), content);
      await truncate(pathIn(folder), cut);
      const queue = await openQueue(folder);
      const whole = ["a", "b", "c"].slice(
        0,
        Math.max(0, Math.floor((cut - headerBytes + 1) / ((content.length - headerBytes) / 3))),
      );
      expect([cut, keysOf(queue)]).toEqual([cut, whole]);
      await queue.add([entryOf("d")]);
      await queue.close();
      const again = await openQueue(folder);
      expect(keysOf(again)).toEqual([...whole, "d"]);
      await again.close();
    }
  });

  it("with records copied behind it does not bring back what was removed", async () => {
    const folder = await temporaryFolder();
    const queue = await openQueue(folder);
    await queue.add([entryOf("a"), entryOf("b")]);
    const before = await readFile(pathIn(folder));
    await queue.remove(["a"]);
    await queue.close();
    await writeFile(pathIn(folder), Buffer.concat([await readFile(pathIn(folder)), before]));
    const again = await openQueue(folder);
    expect(keysOf(again)).toEqual(["b"]);
    await again.close();
  });
});

it("opened to look on reads everything and changes nothing on disk", async () => {
  const folder = await temporaryFolder();
  const queue = await openQueue(folder);
  await queue.add([entryOf("a"), entryOf("b")]);
  await queue.remove(["a"]);
  await queue.close();
  await writeFile(pathIn(folder), Buffer.concat([await readFile(pathIn(folder)), Buffer.from("torn")]));
  const before = { content: await readFile(pathIn(folder)), info: await stat(pathIn(folder)) };
  const looking = new RetryQueue(nodeFileSystem, folder, "retry", IDENTITY);
  await looking.open({ readOnly: true });
  expect([keysOf(looking), await looking.read("b")]).toEqual([["b"], entryOf("b")]);
  await looking.close();
  const after = await stat(pathIn(folder));
  expect(await readFile(pathIn(folder))).toEqual(before.content);
  expect([after.ino, after.mtimeMs]).toEqual([before.info.ino, before.info.mtimeMs]);
});

it("writes its file anew when much of it is garbage, and loses nothing by it", async () => {
  const folder = await temporaryFolder();
  const queue = await openQueue(folder);
  await queue.add([entryOf("kept")]);
  const answer = "x".repeat(1_000_000);
  for (let round = 0; round < 10; round += 1) {
    await queue.add([entryOf("big", { round, payload: answer })]);
    expect((await queue.read("big"))?.round).toBe(round);
  }
  await queue.remove(["big"]);
  await queue.add([entryOf("last")]);
  expect((await stat(pathIn(folder))).size).toBeLessThan(4_000_000);
  expect(await queue.read("kept")).toEqual(entryOf("kept"));
  await queue.close();
  const again = await openQueue(folder);
  expect(keysOf(again)).toEqual(["kept", "last"]);
  await again.close();
});

describe("a disk that refuses", () => {
  it("full in the middle of a write: what was there stays, nothing of the write comes up later, nothing more is taken", async () => {
    for (const room of [0, 40, 250, 500]) {
      const folder = await temporaryFolder();
      const { files, disk } = faultyFiles();
      const queue = await openQueue(folder, files);
      await queue.add([entryOf("a")]);
      disk.room = room;
      await expect(queue.add([entryOf("b"), entryOf("c"), entryOf("d")])).rejects.toMatchObject({
        code: "STATE_UNWRITABLE",
        message: expect.stringMatching(/retry\.queue.*ENOSPC/),
      });
      expect(keysOf(queue)).toEqual(["a"]);
      disk.room = Number.POSITIVE_INFINITY;
      await expect(queue.add([entryOf("e")])).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
      expect(await queue.read("a")).toEqual(entryOf("a"));
      await queue.close();
      const again = await openQueue(folder);
      expect(keysOf(again)).toEqual(["a"]);
      await again.close();
    }
  });

  it("with a failed sync: nothing more is taken", async () => {
    const folder = await temporaryFolder();
    const { files, disk } = faultyFiles();
    const queue = await openQueue(folder, files);
    await queue.add([entryOf("a")]);
    disk.syncError = "EIO: i/o error, fdatasync";
    await expect(queue.remove(["a"])).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    disk.syncError = null;
    await expect(queue.add([entryOf("b")])).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    expect(keysOf(queue)).toEqual(["a"]);
    await queue.close();
  });
});

it("refuses another job's file and a newer version's, and leaves them as they are", async () => {
  const folder = await temporaryFolder();
  const queue = await openQueue(folder);
  await queue.add([entryOf("a")]);
  await queue.close();
  const written = await readFile(pathIn(folder));
  const foreign = new RetryQueue(nodeFileSystem, folder, "retry", { ...IDENTITY, job: "another" });
  await expect(foreign.open()).rejects.toMatchObject({
    code: "STATE_DAMAGED",
    message: expect.stringContaining("support"),
  });
  const newer = encodeFrame(0, JSON.stringify({ op: "header", format: 2, ...IDENTITY }));
  await writeFile(pathIn(folder), newer);
  await expect(openQueue(folder)).rejects.toMatchObject({ code: "STATE_NEWER" });
  expect(String(await readFile(pathIn(folder)))).toBe(newer);
  await writeFile(pathIn(folder), written);
  expect(keysOf(await openQueue(folder))).toEqual(["a"]);
});
