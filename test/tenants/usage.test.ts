import { describe, expect, it } from "vitest";
import {
  addSpend,
  applySettlement,
  applySpend,
  EMPTY_JOB_STATE,
  NO_SPEND,
  type Settlement,
} from "../../src/outcome.ts";
import { type UsageRow, usageCsv, usageOf } from "../../src/tenants/usage.ts";

const NOVEMBER = Date.parse("2026-11-30T23:59:59Z");
const DECEMBER = Date.parse("2026-12-01T00:00:00Z");
const call = { calls: 1, inputTokens: 100, cachedInputTokens: 40, outputTokens: 10, costUsd: 0.5 };

const settled = (changes: object, atMs: number): Settlement =>
  ({
    ...{ key: "k", origin: "source", contentHash: null, attempts: 1, executionId: "e", atMs, outcome: "classified" },
    record: { provider: "openai", model: "m-2026", decidedBy: "model" },
    ...changes,
  }) as unknown as Settlement;

describe("usage by month and model", () => {
  it("follows the calls, each under the model that was asked and the month in which it was settled", () => {
    const one = addSpend(NO_SPEND, { ...call, model: "openai/m" });
    const two = addSpend(one, { calls: 1, costUsd: 2, model: "openai/dear" });
    let state = applySettlement(EMPTY_JOB_STATE, settled({ spend: one }, NOVEMBER));
    state = applySettlement(state, settled({ spend: two }, DECEMBER));
    state = applySettlement(state, settled({ spend: one, outcome: "deadLetter", failure: "content" }, DECEMBER));
    state = applySettlement(
      state,
      settled({ spend: NO_SPEND, record: { provider: "openai", model: "m-2026", decidedBy: "cache" } }, DECEMBER),
    );
    expect(state.usage).toMatchObject({
      "2026-11": { "openai/m": { items: 1, calls: 1, inputTokens: 100, cachedInputTokens: 40, costUsd: 0.5 } },
      "2026-12": {
        "openai/m": { items: 0, calls: 2, costUsd: 1 },
        "openai/dear": { items: 0, calls: 1, costUsd: 2 },
        "openai/m-2026": { items: 1, calls: 0 },
        cache: { items: 1, calls: 0, costUsd: 0 },
      },
    });
    const sum = usageOf(state).reduce((usd, [, , { costUsd }]) => usd + costUsd, 0);
    expect(sum).toBeCloseTo(Object.values(state.ledger).reduce((usd, day) => usd + day.costUsd, 0));
  });

  it("keeps one name as long as one model is asked, and adds nothing that was not spent", () => {
    const one = addSpend(NO_SPEND, { ...call, model: "a" });
    expect(addSpend(one, { ...call, model: "a" })).toMatchObject({ calls: 2, model: "a" });
    expect(addSpend(one, { repairCalls: 1 })).toMatchObject({ model: "a" });
    expect(addSpend(one, NO_SPEND).byModel).toBeUndefined();
    const mixed = addSpend(addSpend(one, { calls: 1, model: "b" }), { calls: 1, model: "a" });
    expect(mixed.model).toBeUndefined();
    expect(mixed.byModel).toMatchObject({ a: { calls: 2, costUsd: 0.5 }, b: { calls: 1 } });
    expect(Object.hasOwn(addSpend(NO_SPEND, { calls: 1 }), "model")).toBe(false);
  });

  it("tells what is older than it under a model that is not known, and lost calls too", () => {
    const old = {
      ...EMPTY_JOB_STATE,
      ledger: { "2026-11-02": { calls: 3, costUsd: 1.5, uncertainUsd: 0, unpricedCalls: 0 } },
    };
    expect(usageOf(old)).toEqual([["2026-11", "unknown", expect.objectContaining({ calls: 3, costUsd: 1.5 })]]);
    const later = applySpend(old, addSpend(NO_SPEND, { ...call, model: "openai/m" }), NOVEMBER);
    const crashed = applySpend(later, { ...NO_SPEND, calls: 2, uncertainCalls: 2, uncertainUsd: 1 }, NOVEMBER);
    expect(usageOf(crashed)).toEqual([
      ["2026-11", "openai/m", expect.objectContaining({ calls: 1 })],
      ["2026-11", "unknown", expect.objectContaining({ calls: 5, costUsd: 1.5, uncertainUsd: 1 })],
    ]);
  });
});

it("CSV is safe for a spreadsheet: no cell is a formula, and quotes are doubled", () => {
  const row = {
    ...{ tenant: "sales", month: "2026-11", items: 1, calls: 2, inputTokens: 3, cachedInputTokens: 0, outputTokens: 4 },
    ...{ costUsd: 0.123456789, uncertainUsd: 0, unpricedCalls: 0 },
  };
  const rows: UsageRow[] = ["=cmd|' /C calc'!A0", '@x,"y"', "-1", "openai/m"].map((model) => ({ ...row, model }));
  const [head, ...lines] = usageCsv(rows).split("\r\n");
  expect(head).toBe(
    "tenant,month,model,items,calls,inputTokens,cachedInputTokens,outputTokens,costUsd,uncertainUsd,unpricedCalls",
  );
  expect(lines.map((line) => line.replace(/^sales,2026-11,/, "").replace(/,1,2,3.*/, ""))).toEqual([
    "'=cmd|' /C calc'!A0",
    '"\'@x,""y"""',
    "'-1",
    "openai/m",
    "",
  ]);
  expect(lines[3]).toBe("sales,2026-11,openai/m,1,2,3,0,4,0.123457,0,0");
});
