import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { EMPTY_JOB_STATE, type JobState, NO_SPEND, type Settlement } from "../../src/outcome.ts";
import type { Checkpoint } from "../../src/state/checkpoint.ts";
import { type FileSystem, nodeFileSystem } from "../../src/state/files.ts";
import type { StateIdentity } from "../../src/state/identity.ts";
import { recordWith } from "../contract/store-contract.ts";

export const IDENTITY: StateIdentity = { tenant: "default", job: "support", range: "0" };

/** A folder of this test's own, removed at its end. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-state-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function settlementOf(key: string, text = ""): Settlement & { outcome: "classified" } {
  return {
    outcome: "classified",
    record: recordWith({ summary: text, contentHash: `hash of ${key}` }),
    key,
    origin: "source",
    contentHash: `hash of ${key}`,
    attempts: 1,
    spend: { ...NO_SPEND, calls: 1, costUsd: 0.5 },
    executionId: "x",
    atMs: Date.UTC(2026, 10, 24),
  };
}

export function checkpointOf(changes: Partial<Checkpoint> = {}): Checkpoint {
  return {
    ...IDENTITY,
    format: 1,
    generation: 1,
    executionId: "x",
    status: "ended",
    fingerprint: { taxonomy: "t", prompt: "p", model: "m", mapping: "a", mark: "b" },
    cursor: null,
    settled: 0,
    stateSeq: 0,
    sunkSeq: 0,
    state: EMPTY_JOB_STATE,
    suspects: {},
    startedAt: "2026-11-24T00:00:00.000Z",
    savedAt: "2026-11-24T00:00:01.000Z",
    lastEnd: null,
    ...changes,
  };
}

export const stateWith = (classified: number): JobState => ({
  ...EMPTY_JOB_STATE,
  totals: { ...EMPTY_JOB_STATE.totals, classified },
});

/** What a {@link faultyFiles} disk does; change it while it is in use. */
export interface Disk {
  syncs: number;
  writes: number;
  /** Bytes that still fit on it. */
  room: number;
  /** Message of the error that syncing ends with. */
  syncError: string | null;
  /** Waited for before each sync. */
  slow: (() => Promise<void>) | null;
}

/** The real file system on a disk that can be slow, full or broken: as measured, a full one takes part of a write first. */
export function faultyFiles(): { files: FileSystem; disk: Disk } {
  const disk: Disk = { syncs: 0, writes: 0, room: Number.POSITIVE_INFINITY, syncError: null, slow: null };
  const files: FileSystem = {
    ...nodeFileSystem,
    async create(path) {
      const file = await nodeFileSystem.create(path);
      return {
        ...file,
        async write(data, position) {
          disk.writes += 1;
          const fits = Math.min(disk.room, data.length);
          await file.write(data.subarray(0, fits), position);
          disk.room -= fits;
          if (fits < data.length) throw new Error("ENOSPC: no space left on device, write");
        },
        async sync() {
          disk.syncs += 1;
          await disk.slow?.();
          if (disk.syncError !== null) throw new Error(disk.syncError);
          await file.sync();
        },
      };
    },
  };
  return { files, disk };
}
