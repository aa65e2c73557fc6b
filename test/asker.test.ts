import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { Asker } from "../src/asker.ts";
import { Classifier, makeTask } from "../src/classify.ts";
import { DEFAULT_TAXONOMY } from "../src/default-taxonomy.ts";
import { Events } from "../src/events.ts";
import { contentHashOf, keyOf } from "../src/item.ts";
import { compileAnswer } from "../src/llm/answer.ts";
import { buildPrompt } from "../src/llm/prompt.ts";
import { estimateUsage } from "../src/llm/usage.ts";
import { nodeFileSystem } from "../src/state/files.ts";
import { Journal } from "../src/state/journal.ts";
import { Budget } from "../src/traffic/budget.ts";
import { Gateway } from "../src/traffic/gateway.ts";
import { IDENTITY, stateWith, temporaryFolder } from "./state/made-up-state.ts";
import { type HandOptions, handAnswered } from "./support/hand-answered.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000, toFake: ["Date", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const clocks = { now: () => Date.now(), steadyNow: () => Date.now() };
const ONE = { start: 1, max: 1, mode: "fixed" } as const;
const settle = () => vi.advanceTimersByTimeAsync(0);

/** Asks endpoints that the test answers for. `told` is what the run and its budget say. */
async function open(endpoints: readonly HandOptions[], { hasBudget = false } = {}) {
  const told = { hold: null as string | null, usdLeft: 10 };
  const hands = endpoints.map(handAnswered);
  const gateway = new Gateway({
    endpoints: hands.map(({ endpoint }) => endpoint),
    balance: "weight",
    ceiling: 10,
    now: clocks.steadyNow,
    random: () => 0.5,
  });
  const journal = await Journal.open(nodeFileSystem, await temporaryFolder(), IDENTITY, () => stateWith(0), {
    seq: 0,
    segments: new Map(),
  });
  onTestFinished(() => journal.close());
  const retry = { retries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000, rounds: [] };
  const asker = new Asker({
    mode: "batch",
    executionId: "x-1",
    deadlines: { itemMs: 600_000 },
    budget: new Budget(
      () => (hasBudget ? { usd: told.usdLeft } : null),
      () => 1,
    ),
    classifier: new Classifier({
      prompt: buildPrompt(DEFAULT_TAXONOMY),
      checkAnswer: compileAnswer(DEFAULT_TAXONOMY),
      estimateUsage,
      retry,
      itemMs: 600_000,
      hedge: null,
      maxOutputTokens: 300,
      stamp: { job: "j", executionId: "x-1", fence: 1 },
      ...clocks,
      random: () => 0.5,
      events: new Events(),
    }),
    gateway,
    journal,
    events: new Events(),
    holdReason: () => told.hold,
    stopping: new AbortController().signal,
    aborting: new AbortController().signal,
    stop: () => {},
    ...clocks,
  });
  /** An item is asked about. */
  const ask = (id: string) => {
    const text = `Where is parcel ${id}?`;
    const item = { key: keyOf(id), text, contentHash: contentHashOf(text), truncated: false };
    return asker.ask(makeTask(item, { origin: "source", ordinal: 1, earlier: null }));
  };
  return { asker, ask, told, of: (name: string) => hands.find(({ endpoint }) => endpoint.name === name)! };
}

it.each([
  ["without a budget", false],
  ["with a budget", true],
])("makes no call when a hold began while it waited for an endpoint, %s", async (_, hasBudget) => {
  const { asker, ask, told, of } = await open([{ name: "a", concurrency: ONE }], { hasBudget });
  const asked = [ask("1"), ask("2")];
  await settle();
  told.hold = "the store has not confirmed the lease";
  of("a").fail("content");
  expect(await asked[0]).toMatchObject({ next: "settle" });
  for (let look = 0; look < 2; look += 1) {
    await settle();
    expect([of("a").out.length, of("a").endpoint.inFlight]).toEqual([0, 0]);
    asker.wake();
  }
  told.hold = null;
  // Enough for one call, if nothing stays reserved for the one that was not made.
  told.usdLeft = 1;
  asker.wake();
  await settle();
  of("a").fail("content");
  expect(await asked[1]).toMatchObject({ next: "settle", outcome: { failure: "content" } });
});

it("tries a failed item elsewhere at once, and waits where nothing else can be asked", async () => {
  const { ask, of } = await open([{ name: "a" }, { name: "b" }]);
  const first = ask("1");
  await settle();
  of("a").fail("transient");
  await settle();
  expect([of("a").out.length, of("b").out.length]).toEqual([0, 1]);
  of("b").fail("transient");
  expect(await first).toMatchObject({ next: "wait" });
  of("b").endpoint.rest(60_000, "ordered", true);
  const second = ask("2");
  await settle();
  of("a").fail("transient");
  expect(await second).toEqual({ next: "wait", afterMs: 500, reason: "transient" });
});
