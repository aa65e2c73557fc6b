import { setTimeout as delay } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { Events } from "../../src/events.ts";
import { Growing } from "../../src/jobs/growing.ts";
import type { GrowingOptions } from "../../src/jobs/grown-page.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { IDENTITY, temporaryFolder } from "../state/made-up-state.ts";
import { PATIENT } from "../support/patience.ts";

const KEY = '"K"';

/** Looks at one settled item, in an order that real stores cannot be held to. @param updatedAtMs of its document */
async function looker({ updatedAtMs = null }: { updatedAtMs?: number | null } = {}) {
  const active = new Set<string>();
  const unmarked: string[] = [];
  let hash = "old";
  let gate: Promise<void> | null = null;
  const source = {
    settledBy: async (_job: string, keys: readonly string[]) =>
      new Map(keys.map((key) => [key, { outcome: "classified", atMs: 0 }])),
    readByKeys: async (keys: readonly string[]) => keys.map((key) => ({ _id: JSON.parse(key), hash })),
    unmark: async (keys: readonly string[]) => void unmarked.push(...keys),
    watch: async () => {},
    readUpdated: async function* () {
      yield [{ key: KEY, updatedAtMs, mark: { outcome: "classified", atMs: updatedAtMs } }];
    },
  };
  const target = {
    findSettled: async (keys: readonly string[]) => {
      const settled = keys.map((key) => ({ key, contentHash: "old", decidedBy: "model" }));
      await gate;
      return settled;
    },
  };
  const growing = {
    again: true,
    updatedAt: updatedAtMs === null ? null : "changed",
    sweepEveryMs: null,
    quietForMs: 0,
  };
  const options = {
    settings: { job: "j", mode: "continuous", intervalSeconds: 0.05, watch: "auto", growing },
    adapters: {
      makeItem: (document: { _id: string; hash: string }) => ({
        key: JSON.stringify(document._id),
        contentHash: document.hash,
      }),
    },
    manager: {
      files: nodeFileSystem,
      folder: await temporaryFolder(),
      identity: IDENTITY,
      deadLetters: { get: () => null },
    },
    open: { source, target, lease: { confirm: async () => {} } },
    recorder: { state: { unmarkedPages: 0 }, unmarked: async () => {} },
    sink: { landed: async () => {} },
    watch: { storeMs: null, begin: () => ({}), end: () => {}, failed: () => {} },
    ...{ events: new Events(), executionId: "e", active, recovered: Promise.resolve() },
    ...{ signal: new AbortController().signal, poke: () => {}, note: () => {}, stop: () => {} },
    ...{ now: Date.now, steadyNow: () => performance.now() },
  };
  const first = { mapping: "m", comparableMs: 0, lookedMs: 0, sweep: null, sweptMs: null, page: null };
  const one = new Growing(options as unknown as GrowingOptions, { format: 1, ...IDENTITY, ...first });
  onTestFinished(() => one.close());
  return {
    one,
    active,
    unmarked,
    grow: () => {
      hash = "new";
    },
    hold: (until: Promise<void> | null) => {
      gate = until;
    },
  };
}

it("looks once more at what is told while an older telling of it is looked at", async () => {
  const { one, active, unmarked, grow, hold } = await looker();
  active.add(KEY);
  await one.changed([KEY], "first");
  const held = Promise.withResolvers<void>();
  hold(held.promise);
  active.delete(KEY);
  await one.begin();
  // The old text has been read by now.
  await delay(50);
  grow();
  const told = one.changed([KEY], "second");
  expect(one.owedFrom).toBe("first");
  hold(null);
  held.resolve();
  await told;
  await vi.waitFor(() => expect(unmarked).toEqual([KEY]), PATIENT);
});

it("comes back to a document that was changed while its item was on its way", async () => {
  const { one, active, unmarked, grow } = await looker({ updatedAtMs: Date.now() });
  grow();
  active.add(KEY);
  await one.begin();
  await delay(100);
  expect(unmarked).toEqual([]);
  active.delete(KEY);
  await vi.waitFor(() => expect(unmarked).toContain(KEY), PATIENT);
});
