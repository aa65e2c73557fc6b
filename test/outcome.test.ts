import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addSpend,
  applyReopening,
  applyRequeue,
  applySettlement,
  applySpend,
  EMPTY_JOB_STATE,
  type JobState,
  NO_SPEND,
  type Settlement,
  type Spend,
  spentIn,
} from "../src/outcome.ts";
import { settlementOf } from "./state/made-up-state.ts";

const NOON = Date.UTC(2026, 10, 24, 12);
const DAY = 86_400_000;
const spend = (changes: Partial<Spend>): Spend => ({ ...NO_SPEND, calls: 1, ...changes });
const as = (outcome: Settlement["outcome"], origin: Settlement["origin"] = "source"): Settlement =>
  ({ ...settlementOf("a"), outcome, origin, spend: NO_SPEND }) as Settlement;

describe("the job's totals", () => {
  it("hold each item in exactly one place, through any history", () => {
    // An item's history: settled, failing to the retry queue some times, perhaps taken back, perhaps requeued by a person.
    const history = fc.record({
      rounds: fc.nat(3),
      end: fc.constantFrom("classified" as const, "skipped" as const, "deadLetter" as const),
      after: fc.constantFrom("stays" as const, "changed" as const, "requeued" as const),
    });
    fc.assert(
      fc.property(fc.array(history, { maxLength: 20 }), (histories) => {
        let state: JobState = EMPTY_JOB_STATE;
        const expected = { classified: 0, skipped: 0, retryQueued: 0, deadLetters: 0 };
        for (const { rounds, end, after } of histories) {
          for (let round = 0; round < rounds; round += 1)
            state = applySettlement(state, as("retryQueued", round === 0 ? "source" : "retryQueue"));
          state = applySettlement(state, as(end, rounds === 0 ? "source" : "retryQueue"));
          if (after === "changed") state = applyReopening(state, end);
          else if (after === "requeued" && end === "deadLetter") {
            state = applyRequeue(state, 1);
            expected.retryQueued += 1;
          } else expected[end === "deadLetter" ? "deadLetters" : end] += 1;
        }
        expect(state.totals).toMatchObject(expected);
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it("have no cost as soon as one answered call has no price, and keep it for the ledger of what is known", () => {
    const known = applySpend(EMPTY_JOB_STATE, spend({ costUsd: 0.25 }), NOON);
    const state = applySpend(known, spend({ unpricedCalls: 1 }), NOON);
    expect(state.totals).toMatchObject({ modelCalls: 2, costUsd: null });
    expect(state.ledger).toEqual({ "2026-11-24": { calls: 2, costUsd: 0.25, uncertainUsd: 0, unpricedCalls: 1 } });
    expect(applySpend(state, spend({ costUsd: 1 }), NOON).totals.costUsd).toBeNull();
  });

  it("do not change with an item that cost no call", () => {
    expect(applySpend(EMPTY_JOB_STATE, NO_SPEND, NOON)).toBe(EMPTY_JOB_STATE);
  });
});

describe("what a budget counts", () => {
  const state = [
    [NOON, 1],
    [NOON - DAY, 2],
    [NOON - 24 * DAY, 4],
    [Date.UTC(2025, 10, 24), 8],
  ].reduce((sum, [at, usd]) => applySpend(sum, spend({ costUsd: usd!, uncertainUsd: usd! / 2 }), at!), EMPTY_JOB_STATE);

  it("is the day, the month or all of the job, by UTC, with what may have been billed", () => {
    expect(spentIn(state, "day", NOON)).toBe(1.5);
    expect(spentIn(state, "month", NOON)).toBe(4.5);
    expect(spentIn(state, "job", NOON)).toBe(22.5);
    expect(spentIn(state, "day", NOON + DAY)).toBe(0);
  });

  it("does not depend on the order in which it was spent", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(100)), { maxLength: 20 }), (parts) => {
        const sum = (list: typeof parts) =>
          list.reduce((all, [day, usd]) => applySpend(all, spend({ costUsd: usd }), NOON - day * DAY), EMPTY_JOB_STATE);
        const [there, back] = [sum(parts), sum([...parts].reverse())];
        expect(there.ledger).toEqual(back.ledger);
        expect(spentIn(there, "job", NOON)).toBe(parts.reduce((all, [, usd]) => all + usd, 0));
      }),
      { seed: 7, numRuns: 100 },
    );
  });
});

it("adding spend adds every part, and leaves its arguments alone", () => {
  const a = spend({ inputTokens: 3, costUsd: 0.5 });
  expect(addSpend(a, { inputTokens: 4, repairCalls: 1 })).toEqual(
    spend({ inputTokens: 7, costUsd: 0.5, repairCalls: 1 }),
  );
  expect(a.inputTokens).toBe(3);
  expect(NO_SPEND.calls).toBe(0);
});
