import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { QuerymillError } from "../../src/errors.ts";
import { LeaseKeeper } from "../../src/jobs/lease-keeper.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import type { Lease } from "../../src/store.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
afterEach(() => void vi.useRealTimers());

/** A lease that is held, and renewed as told. */
async function take(renew: () => Promise<boolean>): Promise<LeaseKeeper> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-lease-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const manager = new BatchFileManager(folder, { job: "support" });
  await manager.files.makeFolder(manager.folder);
  const lease: Lease = {
    acquire: async () => ({ status: "held", fence: 3 }),
    renew,
    release: async () => {},
    forget: async () => {},
    remove: async () => {},
    look: async () => null,
  };
  return await LeaseKeeper.take(lease, "target", manager, { job: "support", executionId: "x-1" });
}

const away = () => Promise.reject(new QuerymillError("STORE_FAILED", "away"));

it("holds calls back when the store has not confirmed the lease for half its time, until it does", async () => {
  let renew: () => Promise<boolean> = away;
  const keeper = await take(() => renew());
  await vi.advanceTimersByTimeAsync(14_000);
  expect(keeper.holdReason()).toBeNull();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(keeper.holdReason()).toMatch(/has not confirmed the lease/);
  await expect(keeper.confirm()).rejects.toMatchObject({ code: "STORE_FAILED" });
  renew = async () => true;
  await keeper.confirm();
  expect(keeper.holdReason()).toBeNull();
});

it("counts a renewal from when it was asked for: the process may have slept before it read the answer", async () => {
  const answer = Promise.withResolvers<boolean>();
  const keeper = await take(() => answer.promise);
  await vi.advanceTimersByTimeAsync(30_000);
  answer.resolve(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(keeper.holdReason()).not.toBeNull();
});

it("lets nothing be marked by a process that slept past its lease and was replaced, and tells it once", async () => {
  const keeper = await take(async () => false);
  const lost: string[] = [];
  keeper.onLost(({ code }) => lost.push(code));
  await keeper.confirm();
  await vi.advanceTimersByTimeAsync(16_000);
  await expect(keeper.confirm()).rejects.toMatchObject({ code: "FENCED" });
  await expect(keeper.confirm()).rejects.toMatchObject({ code: "FENCED" });
  expect(lost).toEqual(["FENCED"]);
});
