import { readdirSync } from "node:fs";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AnswerCache, type AnswerCacheOptions, type CachedAnswer } from "../../src/lanes/cache.ts";
import { forgetAnswers } from "../../src/lanes/forgotten.ts";
import type { ClassificationRecord } from "../../src/record.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { IDENTITY, temporaryFolder } from "../state/made-up-state.ts";

const keyOf = (n: number): string => `k${String(n).padStart(21, "0")}`;
const answer = (n: number, atMs = 1_000, filler = 100): CachedAnswer => ({
  from: JSON.stringify(`q${n}`),
  atMs,
  record: { category: "billing", summary: `${n} ${"x".repeat(filler)}`, costUsd: n } as unknown as ClassificationRecord,
});

async function opened(changes: Partial<AnswerCacheOptions> = {}) {
  const root = await temporaryFolder();
  const options: AnswerCacheOptions = {
    files: nodeFileSystem,
    folder: join(root, "cache"),
    quarantine: join(root, "quarantine"),
    identity: IDENTITY,
    maxBytes: 64 * 1024,
    ttlMs: 10_000,
    now: () => 2_000,
    ...changes,
  };
  const open = (more: Partial<AnswerCacheOptions> = {}) => AnswerCache.open({ ...options, ...more });
  const found = async (cache: AnswerCache, ...numbers: number[]): Promise<number[]> => {
    const all = await cache.find(numbers.map(keyOf));
    return numbers.filter((n) => all.get(keyOf(n))?.record.costUsd === n);
  };
  return { root, options, open, found, names: () => readdirSync(options.folder).sort() };
}

it("finds what was put, before and after it is written, and in the next process; what was killed at its end is no damage", async () => {
  const { open, found, options, names } = await opened();
  const cache = await open();
  for (let n = 0; n < 10; n += 1) cache.put(keyOf(n), answer(n));
  expect(cache.inMemory(keyOf(3))?.from).toBe('"q3"');
  expect(await found(cache, 1, 9, 77)).toEqual([1, 9]);
  await cache.flush();
  cache.put(keyOf(10), answer(10, 1_000, 5_000));
  await cache.close();
  await appendFile(join(options.folder, names()[0]!), "1234abcd 1 500 {torn");
  const next = await open();
  expect(next.setAside).toBe(0);
  expect(await found(next, 0, 9, 10, 11)).toEqual([0, 9, 10]);
  expect(next.size).toBe(11);
  await next.close();
});

it("keeps within its room: the oldest go, and what was used lately stays", async () => {
  const { open, found } = await opened();
  const cache = await open();
  for (let n = 0; n < 600; n += 1) {
    cache.put(keyOf(n), answer(n, 1_000, 400));
    if (n % 10 === 9) {
      await cache.flush();
      await found(cache, 0);
    }
  }
  await cache.close();
  const next = await open();
  expect(next.bytes).toBeLessThanOrEqual(64 * 1024);
  expect(await found(next, 0, 1, 2, 300, 598, 599)).toEqual([0, 598, 599]);
  await next.close();
});

it("does not use answers that are too old, from before a moment, overruled, or forgotten", async () => {
  const { open, found, options } = await opened();
  const cache = await open();
  cache.put(keyOf(1), answer(1, 500));
  cache.put(keyOf(2), answer(2, 1_500));
  cache.put(keyOf(3), answer(3, 1_500));
  cache.put(keyOf(4), answer(4, 1_500));
  await cache.flush();
  cache.forget([keyOf(3)]);
  expect(await found(cache, 3)).toEqual([]);
  await cache.close();
  expect(await found(await open(), 1, 2, 3, 4)).toEqual([1, 2, 4]);
  expect(await found(await open({ now: () => 10_800 }), 1, 2)).toEqual([2]);
  await forgetAnswers(nodeFileSystem, options.folder, ['"q2"'], { nowMs: 1_700_000_000_000, name: "corrected" });
  const after = await open({ now: () => 1_700_000_000_500, ttlMs: 1e15 });
  expect(await found(after, 1, 2, 4)).toEqual([1, 4]);
  after.put(keyOf(2), answer(2, 1_700_000_000_400));
  await after.close();
  // What the model says after that is an answer again.
  expect(await found(await open({ now: () => 1_700_000_000_500, ttlMs: 1e15 }), 2)).toEqual([2]);
  // All too old: no file of answers is left.
  await open({ now: () => 1_800_000_000_000 });
  expect(readdirSync(options.folder)).toEqual([]);
});

it("sets a damaged, a foreign and a newer file aside, and goes on with the others", async () => {
  const { open, found, options, names, root } = await opened();
  for (let n = 0; n < 4; n += 1) {
    const cache = await open();
    cache.put(keyOf(n), answer(n));
    cache.put(keyOf(n + 10), answer(n + 10));
    await cache.close();
  }
  expect(names()).toHaveLength(4);
  const paths = names().map((name) => join(options.folder, name));
  const bytes = await readFile(paths[0]!);
  bytes[bytes.indexOf("q0")] = 0;
  await writeFile(paths[0]!, bytes);
  await writeFile(paths[1]!, "not of this program\nat all\n");
  const other = await open({ folder: join(root, "other"), identity: { ...IDENTITY, job: "another" } });
  other.put(keyOf(5), answer(5));
  await other.close();
  await writeFile(paths[2]!, await readFile(join(root, "other", "00000001.answers")));
  const cache = await open();
  expect(cache.setAside).toBe(3);
  expect(readdirSync(options.quarantine)).toHaveLength(3);
  expect(await found(cache, 0, 10, 1, 2, 5, 3, 13)).toEqual([3, 13]);
  cache.put(keyOf(6), answer(6));
  await cache.close();
  expect(await found(await open(), 3, 6)).toEqual([3, 6]);
});

it("puts the files of many short runs together", async () => {
  const { open, found, names } = await opened();
  for (let n = 0; n < 12; n += 1) {
    const cache = await open();
    cache.put(keyOf(n), answer(n));
    await cache.close();
  }
  expect(names().length).toBeLessThanOrEqual(9);
  expect(await found(await open(), 0, 1, 5, 9, 11)).toEqual([0, 1, 5, 9, 11]);
});

it("only reads once it could not write, and opens whatever lies in its place", async () => {
  const { open, found, options } = await opened();
  await mkdir(join(options.folder, "00000001.answers"), { recursive: true });
  const cache = await open();
  cache.put(keyOf(1), answer(1));
  await cache.flush();
  await found(cache, 1);
  await cache.close();
});

it("that is asked anew uses no answer from before, in later runs neither", async () => {
  const { open, found } = await opened({ ttlMs: 1e15, now: () => 1_700_000_002_000 });
  const cache = await open();
  cache.put(keyOf(1), answer(1, 1_700_000_000_500));
  cache.put(keyOf(2), answer(2, 1_700_000_001_500));
  await cache.useOnlySince(1_700_000_001_000);
  expect(await found(cache, 1, 2)).toEqual([2]);
  await cache.close();
  expect(await found(await open(), 1, 2)).toEqual([2]);
});
