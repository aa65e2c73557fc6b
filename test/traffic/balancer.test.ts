import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, choose, Shares } from "../../src/traffic/balancer.ts";

interface Named extends Candidate {
  readonly name: string;
  readonly usd: number | null;
}

const one = (name: string, changes: Partial<Named> = {}): Named => ({
  name,
  usd: 1,
  weight: 1,
  inFlight: 0,
  latencyMs: 100,
  errorShare: 0,
  ...changes,
});
const by = (random = () => 0, soonest = false) => ({
  costOf: ({ usd }: Named) => usd,
  servedOf: () => 0,
  random,
  soonest,
});

describe("by latency", () => {
  it("takes the one whose calls and this one will be answered sooner", () => {
    expect(choose([one("slow", { latencyMs: 300 }), one("fast")], "latency", by()).name).toBe("fast");
    expect(choose([one("busy", { inFlight: 9 }), one("slow", { latencyMs: 300 })], "latency", by()).name).toBe("slow");
  });

  it("holds failures against an endpoint, and weight for it", () => {
    expect(choose([one("fails", { errorShare: 0.5 }), one("sound", { latencyMs: 300 })], "latency", by()).name).toBe(
      "sound",
    );
    expect(choose([one("light"), one("heavy", { weight: 2 })], "latency", by()).name).toBe("heavy");
  });

  it("tries one that was never asked", () => {
    expect(choose([one("known"), one("new", { latencyMs: null })], "latency", by()).name).toBe("new");
  });

  it("asks it, until its first answer, no more than the fastest, and several of them equally", () => {
    const fresh = (inFlight: number, name = "new") => one(name, { latencyMs: null, inFlight });
    const taken = [1, 4, 5, 6].map(
      (inFlight) => choose([one("known", { inFlight: 5 }), fresh(inFlight)], "latency", by()).name,
    );
    expect(taken).toEqual(["new", "new", "known", "known"]);
    const counts = { a: 0, b: 0 };
    for (let call = 0; call < 20; call += 1) {
      const { name } = choose([fresh(counts.a, "a"), fresh(counts.b, "b")], "latency", by());
      counts[name as "a" | "b"] += 1;
    }
    expect(counts).toEqual({ a: 10, b: 10 });
  });

  it("looks at two drawn at random of many, and at all of them at the end of a run", () => {
    const many = [one("a"), one("b"), one("c"), one("best", { latencyMs: 1 })];
    expect(
      choose(
        many,
        "latency",
        by(() => 0),
      ).name,
    ).not.toBe("best");
    expect(
      choose(
        many,
        "latency",
        by(() => 0, true),
      ).name,
    ).toBe("best");
  });

  it("draws two different ones, each as often as the others", () => {
    const many = [one("a", { latencyMs: 1 }), one("b", { latencyMs: 2 }), one("c", { latencyMs: 3 })];
    let state = 7;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 4_294_967_296;
    };
    const counts = { a: 0, b: 0, c: 0 };
    for (let draw = 0; draw < 3_000; draw += 1)
      counts[choose(many, "latency", by(random)).name as keyof typeof counts] += 1;
    // The worst never wins; the best does whenever it is drawn: in two of three pairs.
    expect(counts.c).toBe(0);
    expect(counts.a / 3_000).toBeCloseTo(2 / 3, 1);
  });
});

describe("by cost", () => {
  it("takes the cheapest, the quicker of equal ones, and one without a known price last", () => {
    const all = [one("dear", { usd: 3 }), one("slow", { latencyMs: 200 }), one("quick"), one("unknown", { usd: null })];
    expect(choose(all, "cost", by()).name).toBe("quick");
    expect(choose([one("unknown", { usd: null }), one("dear", { usd: 9 })], "cost", by()).name).toBe("dear");
  });
});

describe("by weight", () => {
  it("gives each its share, whatever the weights", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const all = weights.map((weight, at) => one(String(at), { weight }));
        const shares = new Shares<Named>();
        const counts = new Map(all.map((candidate) => [candidate, 0]));
        const whole = weights.reduce((sum, weight) => sum + weight, 0);
        for (let call = 0; call < whole * 20; call += 1) {
          const chosen = choose(all, "weight", { ...by(), servedOf: (candidate) => shares.of(candidate) });
          shares.serve(chosen);
          counts.set(chosen, counts.get(chosen)! + 1);
        }
        for (const [{ weight }, count] of counts)
          expect(Math.abs(count - weight * 20)).toBeLessThanOrEqual(weights.length);
      }),
      { seed: 7 },
    );
  });

  it("lets one that was away not make up for what it missed", () => {
    const [a, b] = [one("a"), one("b")];
    const shares = new Shares<Named>();
    for (let call = 0; call < 100; call += 1) shares.serve(a);
    let toB = 0;
    for (let call = 0; call < 10; call += 1) {
      const chosen = choose([a, b], "weight", { ...by(), servedOf: (candidate) => shares.of(candidate) });
      shares.serve(chosen);
      if (chosen === b) toB += 1;
    }
    expect(toB).toBeLessThanOrEqual(6);
  });
});
