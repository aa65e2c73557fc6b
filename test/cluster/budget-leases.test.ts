import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { BudgetLeases, type BudgetLeasesOptions, isBudgetOf } from "../../src/cluster/budget-leases.ts";
import { newsIn } from "../../src/cluster/lease-store.ts";
import { leaseCounters } from "../support/lease-counters.ts";

/** What processes of one job lease from. */
function counters() {
  const { counts, store } = leaseCounters(Date.UTC(2026, 0, 31, 12));
  const leases = (changes: Partial<BudgetLeasesOptions> = {}) =>
    new BudgetLeases({ store, job: "t.job", usd: 1, per: "job", now: Date.now, ...changes });
  return { counts, store, leases };
}

/** A run that spends, told when it may spend more. */
function spender(spentUsd = 0) {
  const run = { usd: spentUsd, more: 0 };
  return { run, joins: { spentUsd: () => run.usd, onChange: () => (run.more += 1) } };
}

describe("a budget in leases", () => {
  it("asks again after the store was away, however early its timer comes", async () => {
    let asked = 0;
    const { leases } = counters();
    const away = async (): Promise<number> => {
      asked += 1;
      if (asked === 1) throw new Error("away");
      return 10;
    };
    // A clock that stands still is the earliest of timers.
    const own = leases({ store: { nowMs: Date.now, add: away }, now: () => 0 });
    const budget = own.join({
      spentUsd: () => 0,
      onChange: () => {
        if (asked === 1) budget.wants(0.01);
      },
    });
    budget.wants(0.01);
    while (asked < 2) await delay(20);
    expect(budget.left().usd).toBeGreaterThan(0);
  });

  it("counts what each run spends once, to its last call, also after it has left", async () => {
    const { counts, leases } = counters();
    const own = leases();
    const [one, two] = [spender(5), spender()];
    const [first, second] = [own.join(one.joins), own.join(two.joins)];
    first.wants(0.001);
    await delay(1);
    const { usd } = first.left();
    expect(usd).toBeCloseTo(0.01, 6);
    one.run.usd += 0.002;
    two.run.usd += 0.001;
    expect(second.left().usd).toBeCloseTo(usd - 0.003, 9);
    // What the last call cost is told by nobody.
    one.run.usd += 0.002;
    first.leave();
    expect(second.left().usd).toBeCloseTo(usd - 0.005, 9);
    two.run.usd += 0.001;
    await own.close();
    expect([...counts.values()]).toEqual([6_000]);
  });

  it("that is found spent stays so for the fleet, though little is given back by each", async () => {
    const { counts, leases } = counters();
    const processes = Array.from({ length: 20 }, () => {
      const own = leases();
      const { run, joins } = spender();
      return { own, run, budget: own.join(joins) };
    });
    for (const { budget } of processes) budget.wants(0.005);
    await delay(1);
    // Others have leased the rest.
    counts.set("usd:t.job:job", 1_000_000);
    for (const { run, budget } of processes) {
      run.usd = 0.0065;
      budget.wants(0.005);
    }
    await delay(1);
    for (const { budget } of processes) {
      expect(budget.left()).toEqual({ usd: expect.closeTo(0.0035, 9), mayGrow: false });
      budget.end();
    }
    for (const { own } of processes) await own.close();
    expect(counts.get("usd:t.job:job")).toBe(930_000);
    expect(await leases().raise(() => 0, 0.005)).toBe(true);
    // A higher one is not.
    expect(await leases({ usd: 2 }).raise(() => 0)).toBe(false);
    expect([...counts.keys()].every((key) => isBudgetOf("t.job", key))).toBe(true);
  });

  it("that was found spent is not so any more when others have given much of it back; found anew it is", async () => {
    const { counts, leases } = counters();
    const find = async (): Promise<void> => {
      const own = leases();
      own.join(spender().joins).end();
      await own.close();
    };
    counts.set("usd:t.job:job", 1_000_000);
    await find();
    counts.set("usd:t.job:job", 700_000);
    const later = leases();
    expect(await later.raise(() => 0, 0.005)).toBe(false);
    await find();
    expect(await later.raise(() => 0, 0.005)).toBe(true);
  });

  it("of a day begins whole with the day of the store, whatever the run had spent before", async () => {
    const { counts, store, leases } = counters();
    const own = leases({ per: "day" });
    const { run, joins } = spender();
    const budget = own.join(joins);
    budget.wants(0.01);
    await delay(1);
    run.usd = budget.left().usd;
    expect(budget.left().usd).toBeCloseTo(0, 9);
    store.atMs += 12 * 3_600_000;
    expect(budget.left()).toEqual({ usd: 0, mayGrow: true });
    budget.wants(0.01);
    await delay(1);
    run.usd += 0.001;
    expect(budget.left().usd).toBeCloseTo(0.009, 6);
    await own.close();
    expect(counts.get("usd:t.job:2026-02-01")).toBe(1_000);
    const asked: number[] = [];
    await own.raise((atMs) => asked.push(atMs) && 0.5);
    expect(asked).toEqual([store.atMs]);
    expect(counts.get("usd:t.job:2026-02-01")).toBe(500_000);
  });

  it("that ended while the day did is whole on the next", async () => {
    const { store, leases } = counters();
    const slow = {
      nowMs: store.nowMs,
      add: async (key: string, amount: number) => {
        await delay(5);
        return (await store.add(key, amount)) + (key.endsWith("01-31") ? 1_000_000 : 0);
      },
    };
    const own = leases({ per: "day", store: slow });
    const budget = own.join(spender().joins);
    budget.wants(0.01);
    store.atMs += 12 * 3_600_000;
    expect(budget.left().mayGrow).toBe(true);
    await delay(30);
    expect(budget.left()).toEqual({ usd: 0, mayGrow: true });
  });

  it("may be a thousandth of a cent", async () => {
    const { leases } = counters();
    const budget = leases({ usd: 0.00001 }).join(spender().joins);
    budget.wants(0.000002);
    await delay(1);
    expect(budget.left().usd).toBeCloseTo(0.000002, 9);
  });
});

it("what others write to the channel of news is left alone", () => {
  const news = { key: "openai:a:b", requestsPerMinute: 100, tokensPerMinute: null, restMs: 0, isRefused: false };
  expect(newsIn(JSON.stringify(news))).toEqual(news);
  const others = [undefined, "", "{", "null", "7", '"x"', "[]", "{}"];
  for (const text of others) expect(newsIn(text)).toBeNull();
  for (const change of [{ key: 7 }, { restMs: 1e12 }, { restMs: -1 }, { requestsPerMinute: 0 }, { isRefused: "yes" }])
    expect(newsIn(JSON.stringify({ ...news, ...change }))).toBeNull();
});
