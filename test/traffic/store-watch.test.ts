import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { QuerymillError } from "../../src/errors.ts";
import { StoreWatch } from "../../src/traffic/store-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function makeWatch() {
  const said: string[] = [];
  const watch = new StoreWatch({
    storeMs: 600_000,
    now: Date.now,
    onWait: (reason, untilMs) => said.push(`${reason}, until ${untilMs! - Date.now()} ms from now`),
    onResume: (waitedMs) => said.push(`resumed after ${waitedMs} ms`),
  });
  return { watch, said };
}

it("tells of a store that refuses for some seconds, why, until when, and when it is there again", () => {
  const { watch, said } = makeWatch();
  const wait = watch.begin();
  watch.failed(wait, new QuerymillError("STORE_FAILED", "no primary"));
  vi.advanceTimersByTime(2_900);
  expect([said, watch.waiting]).toEqual([[], null]);
  vi.advanceTimersByTime(200);
  expect(said).toEqual(["the store does not answer: no primary, until 597000 ms from now"]);
  expect(watch.waiting).toEqual({
    reason: "the store does not answer: no primary",
    untilMs: Date.now() + 596_900,
    items: 0,
  });
  vi.advanceTimersByTime(10_000);
  watch.end(wait);
  expect(said.slice(1)).toEqual(["resumed after 13100 ms"]);
  expect(watch.waiting).toBeNull();
});

it("tells of a mute store once, however many wait for it, and again the next time", () => {
  const { watch, said } = makeWatch();
  for (const round of [1, 2]) {
    const waits = [watch.begin(), watch.begin(), watch.begin()];
    vi.advanceTimersByTime(20_000);
    expect(watch.waiting?.reason).toBe("the store does not answer");
    for (const wait of waits) watch.end(wait);
    expect(said).toHaveLength(2 * round);
  }
});

it("does not say that the store answers while the oldest still waits", () => {
  const { watch, said } = makeWatch();
  const oldest = watch.begin();
  vi.advanceTimersByTime(5_000);
  watch.end(watch.begin());
  expect(said).toHaveLength(1);
  watch.end(oldest);
  expect(said).toHaveLength(2);
});

it("says nothing of a store that answers within seconds, for however long", () => {
  const { watch, said } = makeWatch();
  for (let at = 0; at < 20; at += 1) {
    const [first, second] = [watch.begin(), watch.begin()];
    vi.advanceTimersByTime(1_000);
    watch.end(first);
    vi.advanceTimersByTime(1_000);
    watch.end(second);
  }
  vi.advanceTimersByTime(60_000);
  expect([said, watch.waiting]).toEqual([[], null]);
});
