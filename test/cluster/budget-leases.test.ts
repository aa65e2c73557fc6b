import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { BudgetLeases } from "../../src/cluster/budget-leases.ts";
import { newsIn } from "../../src/cluster/lease-store.ts";

it("asks again after the store was away, however early its timer comes", async () => {
  let asked = 0;
  // A clock that stands still is the earliest of timers.
  const budget = new BudgetLeases({
    store: {
      nowMs: Date.now,
      add: async () => {
        asked += 1;
        if (asked === 1) throw new Error("away");
        return 10;
      },
    },
    job: "job",
    usd: 1,
    per: "job",
    now: () => 0,
  });
  budget.left("run", 0);
  budget.watch("run", () => {
    if (asked === 1) budget.wants(0.01);
  });
  budget.wants(0.01);
  while (asked < 2) await delay(20);
  expect(budget.left("run", 0).usd).toBeGreaterThan(0);
});

it("forgets runs that are over, and counts one that goes on once", () => {
  const store = { nowMs: Date.now, add: async () => 0 };
  const budget = new BudgetLeases({ store, job: "job", usd: 1, per: "job", now: Date.now });
  for (let at = 0; at < 200; at += 1) {
    budget.watch(`run-${at}`, () => {});
    budget.left(`run-${at}`, 0.001);
    budget.left("long", 0.5);
  }
  expect(budget.left("long", 0.5).usd).toBeCloseTo(-0.7, 9);
});

it("what others write to the channel of news is left alone", () => {
  const news = { key: "openai:a:b", requestsPerMinute: 100, tokensPerMinute: null, restMs: 0, isRefused: false };
  expect(newsIn(JSON.stringify(news))).toEqual(news);
  const others = [undefined, "", "{", "null", "7", '"x"', "[]", "{}"];
  for (const text of others) expect(newsIn(text)).toBeNull();
  for (const change of [{ key: 7 }, { restMs: 1e12 }, { restMs: -1 }, { requestsPerMinute: 0 }, { isRefused: "yes" }])
    expect(newsIn(JSON.stringify({ ...news, ...change }))).toBeNull();
});
