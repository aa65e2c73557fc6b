import { expect, it } from "vitest";
import { Paces } from "../../src/traffic/paces.ts";

function after(paces: Paces<string>, party: string, answers: number, ms: number): number | null {
  let judged: number | null = null;
  for (let answer = 0; answer < answers; answer += 1) judged = paces.judge(party, ms);
  return judged;
}

it("says nothing of a run before its usual time is known, and then the same of each", () => {
  const paces = new Paces<string>(1_000);
  expect(after(paces, "quick", 31, 100)).toBeNull();
  expect(after(paces, "quick", 1, 100)).toBeCloseTo(1_000);
  expect(after(paces, "slow", 40, 3_000)).toBeCloseTo(1_000);
});

it("tells a time that is longer than a run's own best by how much it is", () => {
  const paces = new Paces<string>(1_000);
  after(paces, "slow", 64, 3_000);
  expect(paces.judge("slow", 6_000)).toBeCloseTo(2_000);
  after(paces, "slow", 200, 1_500);
  expect(paces.judge("slow", 3_000)! / 1_000).toBeGreaterThan(1.9);
});

it("goes on from what was known of the one who was alone, and forgets who has left", () => {
  const paces = new Paces<string>(400);
  paces.know("first", 400);
  expect(paces.judge("first", 800)).toBeCloseTo(800);
  paces.leave("first");
  expect(paces.judge("first", 800)).toBeNull();
});
