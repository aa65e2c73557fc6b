import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenEstimate } from "../../src/traffic/token-estimate.ts";

describe("the estimate of a call's tokens", () => {
  it("begins cautiously: three characters a token, and an answer of 200", () => {
    expect(new TokenEstimate().estimate(3_000)).toBe(1_200);
  });

  it("is what calls have used once one is known", () => {
    const estimate = new TokenEstimate();
    estimate.learn(4_000, { inputTokens: 1_000, outputTokens: 70 });
    expect(estimate.estimate(4_000)).toBe(1_070);
    expect(estimate.estimate(8_000)).toBe(2_070);
  });

  it("has no bias when long and short texts differ in their ratio", () => {
    const estimate = new TokenEstimate();
    let [estimated, used] = [0, 0];
    for (let call = 0; call < 2_000; call++) {
      const [chars, inputTokens] = call % 3 === 0 ? [9_000, 2_000] : [1_000, 350];
      const outputTokens = 60 + (call % 21);
      if (call >= 100) [estimated, used] = [estimated + estimate.estimate(chars), used + inputTokens + outputTokens];
      estimate.learn(chars, { inputTokens, outputTokens });
    }
    expect(estimated / used).toBeGreaterThan(0.99);
    expect(estimated / used).toBeLessThan(1.01);
  });

  it("follows a change of the texts within some hundred calls", () => {
    const estimate = new TokenEstimate();
    for (let call = 0; call < 1_000; call++) estimate.learn(3_000, { inputTokens: 1_000, outputTokens: 50 });
    for (let call = 0; call < 200; call++) estimate.learn(3_000, { inputTokens: 1_500, outputTokens: 90 });
    expect(Math.abs(estimate.estimate(3_000) - 1_590)).toBeLessThan(10);
  });

  it("is a whole number, 0 or more, whatever was learned", () => {
    const tokens = fc.integer({ min: 0, max: 2_000_000 });
    const call = fc.record({ chars: tokens, inputTokens: tokens, outputTokens: tokens });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 50 }), tokens, (calls, chars) => {
        const estimate = new TokenEstimate();
        for (const { chars, ...usage } of calls) estimate.learn(chars, usage);
        const value = estimate.estimate(chars);
        expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
