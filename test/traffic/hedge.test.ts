import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ModelError } from "../../src/errors.ts";
import type { Endpoint } from "../../src/traffic/endpoint.ts";
import { callHedged } from "../../src/traffic/hedge.ts";
import { handAnswered, REQUEST } from "../support/hand-answered.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A hedged call over two endpoints, and what it told. */
function start(hasOther = true) {
  const [a, b] = [handAnswered({ name: "a" }), handAnswered({ name: "b" })];
  const stopping = new AbortController();
  const lost: Endpoint[] = [];
  let sent = 0;
  const ended = callHedged(a.endpoint.take(0), REQUEST, stopping.signal, {
    afterMs: 1_000,
    takeOther: () => (hasOther ? b.endpoint.take(0) : null),
    onSent: () => {
      sent += 1;
    },
    onLost: (endpoint) => lost.push(endpoint),
  }).then(
    ({ reply, endpoint }) => `${reply.text} from ${endpoint.name}`,
    (error: unknown) => (error instanceof ModelError ? error.failure : "bug"),
  );
  const end = async () => {
    const outcome = await ended;
    expect([a.out.length, b.out.length, a.endpoint.inFlight, b.endpoint.inFlight]).toEqual([0, 0, 0, 0]);
    return { outcome, sent, lost: lost.map(({ name }) => name) };
  };
  return { a, b, stopping, end };
}

it("makes one call when it is answered, or fails, in time", async () => {
  const answered = start();
  answered.a.reply({ text: "1" });
  expect(await answered.end()).toEqual({ outcome: "1 from a", sent: 0, lost: [] });
  const failed = start();
  failed.a.fail("transient");
  expect(await failed.end()).toEqual({ outcome: "transient", sent: 0, lost: [] });
});

it("makes a second one elsewhere, and cuts the other off once one is answered", async () => {
  const second = start();
  await vi.advanceTimersByTimeAsync(1_000);
  second.b.reply({ text: "2" });
  expect(await second.end()).toEqual({ outcome: "2 from b", sent: 1, lost: ["a"] });
  const first = start();
  await vi.advanceTimersByTimeAsync(1_000);
  first.a.reply({ text: "1" });
  expect(await first.end()).toEqual({ outcome: "1 from a", sent: 1, lost: ["b"] });
});

it("waits for the one that is left when the other fails", async () => {
  const { a, b, end } = start();
  await vi.advanceTimersByTimeAsync(1_000);
  b.fail("transient");
  await vi.advanceTimersByTimeAsync(5_000);
  a.reply({ text: "1" });
  expect(await end()).toEqual({ outcome: "1 from a", sent: 1, lost: [] });
});

it("fails as the first one did when both fail, and counts what the second may have cost", async () => {
  const { a, b, end } = start();
  await vi.advanceTimersByTimeAsync(1_000);
  b.fail("unknown-outcome");
  a.fail("content");
  expect(await end()).toEqual({ outcome: "content", sent: 1, lost: ["b"] });
});

it("goes on waiting when no other endpoint may be called", async () => {
  const { a, end } = start(false);
  await vi.advanceTimersByTimeAsync(9_000);
  a.reply({ text: "1" });
  expect(await end()).toEqual({ outcome: "1 from a", sent: 0, lost: [] });
});

it("ends both when the run is aborted", async () => {
  const { stopping, end } = start();
  await vi.advanceTimersByTimeAsync(1_000);
  stopping.abort();
  expect(await end()).toMatchObject({ outcome: "unknown-outcome", sent: 1 });
});

it("sends nothing a second time when the run is aborted at that very time", async () => {
  const { b, stopping, end } = start();
  await vi.advanceTimersByTimeAsync(999);
  vi.advanceTimersByTime(1);
  stopping.abort();
  expect(await end()).toEqual({ outcome: "unknown-outcome", sent: 0, lost: [] });
  expect(b.out).toHaveLength(0);
});

it("lets an endpoint whose calls are cut off look as slow as they were waited for", async () => {
  const { a, b, end } = start();
  await vi.advanceTimersByTimeAsync(1_100);
  b.reply();
  await end();
  expect([a.endpoint.latencyMs, b.endpoint.latencyMs]).toEqual([1_100, 100]);
});
