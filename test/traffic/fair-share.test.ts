import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Contender, EQUAL_SHARE, FairShare, type Grant, type Sharer } from "../../src/traffic/fair-share.ts";

/** A run with as many calls to make as one wants. */
interface Tenant extends Sharer {
  share: { weight: number; floor: number | null; ceiling: number | null };
  inFlight: number;
  /** Tokens of its calls, in turn. */
  readonly sizes: readonly number[];
  /** What its calls use, of what was estimated. */
  readonly used: number;
  made: number;
  tokens: number;
  wants: boolean;
}

function tenant(changes: Partial<Tenant & Tenant["share"]> = {}): Tenant {
  const { weight = 1, floor = null, ceiling = null, ...rest } = changes;
  const share = { weight, floor, ceiling };
  return { share, inFlight: 0, sizes: [100], used: 1, made: 0, tokens: 0, wants: true, ...rest };
}

/** An endpoint that takes so many calls at once; calls end in the order in which they went out. */
class Place {
  readonly fair = new FairShare<Tenant>();
  readonly tenants: Tenant[];
  readonly slots: number;
  readonly out: Grant<Tenant>[] = [];
  /** Whose calls went out, in order. */
  readonly order: Tenant[] = [];

  constructor(slots: number, tenants: readonly Tenant[]) {
    this.slots = slots;
    this.tenants = [...tenants];
  }

  contenders(): Contender<Tenant>[] {
    return this.tenants
      .filter(({ wants }) => wants)
      .map((party) => ({ party, tokens: party.sizes[party.made % party.sizes.length]! }));
  }

  fill(): void {
    while (this.out.length < this.slots) {
      const next = this.fair.next(this.contenders());
      if (next === null) return;
      this.out.push(this.fair.take(next, this.contenders()));
      this.order.push(next.party);
      next.party.inFlight += 1;
      next.party.made += 1;
    }
  }

  end(at = 0): void {
    const [grant] = this.out.splice(at, 1);
    if (grant === undefined) return;
    const { party, tokens } = grant;
    party.inFlight -= 1;
    party.tokens += tokens * party.used;
    this.fair.settle(grant, tokens * party.used);
    if (!party.wants) this.fair.idle(party);
  }

  run(calls: number): void {
    for (let call = 0; call < calls; call += 1) {
      this.fill();
      this.end();
    }
  }
}

const shares = (tenants: readonly Tenant[]): number[] => {
  const all = tenants.reduce((sum, { tokens }) => sum + tokens, 0);
  return tenants.map(({ tokens }) => tokens / all);
};

describe("while all want more", () => {
  it("each gets tokens by its weight, whatever the sizes of its calls and the errors of the estimates", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            // Within these, the one with the least has its calls after at most some hundred thousand of the others.
            weight: fc.double({ min: 1, max: 10, noNaN: true }),
            sizes: fc.array(fc.integer({ min: 200, max: 2_000 }), { minLength: 1, maxLength: 4 }),
            used: fc.double({ min: 0.5, max: 2, noNaN: true }),
          }),
          { minLength: 2, maxLength: 5 },
        ),
        fc.integer({ min: 1, max: 20 }),
        (given, slots) => {
          const tenants = given.map((one) => tenant(one));
          const place = new Place(slots, tenants);
          // Until the one with the least to get has had many calls.
          const weights = tenants.reduce((sum, { share }) => sum + share.weight, 0);
          while (Math.min(...tenants.map(({ made }) => made)) < 800) place.run(50);
          for (const [at, share] of shares(tenants).entries()) {
            const due = tenants[at]!.share.weight / weights;
            expect(Math.abs(share / due - 1)).toBeLessThan(0.05);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("calls of equals go out in turn", () => {
    const [a, b] = [tenant(), tenant()];
    const place = new Place(1, [a, b]);
    place.run(6);
    expect(place.order).toEqual([a, b, a, b, a, b]);
  });

  it("a call that was not made costs nothing", () => {
    const [a, b] = [tenant(), tenant()];
    const place = new Place(1, [a, b]);
    for (let round = 0; round < 10; round += 1) {
      place.fair.cancel(place.fair.take(place.fair.next(place.contenders())!, place.contenders()));
      place.run(1);
    }
    expect(Math.abs(a.tokens - b.tokens)).toBeLessThanOrEqual(100);
  });
});

describe("who does not want to go", () => {
  it("gives its share to the others: no slot is idle while somebody wants to go and may", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            weight: fc.double({ min: 0.1, max: 20, noNaN: true }),
            floor: fc.option(fc.integer({ min: 1, max: 4 })),
            ceiling: fc.option(fc.integer({ min: 1, max: 6 })),
          }),
          { minLength: 1, maxLength: 5 },
        ),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.boolean()), { minLength: 1, maxLength: 60 }),
        (given, slots, moves) => {
          const tenants = given.map((one) => tenant(one));
          const place = new Place(slots, tenants);
          for (const [which, ends, wants] of moves) {
            const one = tenants[which % tenants.length]!;
            one.wants = wants;
            if (!wants) place.fair.idle(one);
            if (place.out.length > 0) place.end(ends % place.out.length);
            const first = belowFloor(tenants);
            const before = place.order.length;
            place.fill();
            // Those below their floors went first.
            const next = place.order[before];
            if (next !== undefined && first.length > 0) expect(first).toContain(next);
            const mayGo = tenants.filter(({ wants: is, share, inFlight }) => is && inFlight < (share.ceiling ?? 99));
            if (mayGo.length > 0) expect(place.out).toHaveLength(slots);
            for (const { share, inFlight } of tenants) expect(inFlight).toBeLessThanOrEqual(share.ceiling ?? slots);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("saves up nothing", () => {
    const [a, b] = [tenant(), tenant()];
    const place = new Place(4, [a, b]);
    place.run(50);
    b.wants = false;
    place.fair.idle(b);
    place.run(200);
    b.wants = true;
    const before = [a.made, b.made];
    place.run(40);
    // As from the start: what was in flight when it came counts, what went before does not.
    expect(b.made - before[1]!).toBeLessThanOrEqual(22 + 4);
    expect(a.made - before[0]!).toBeGreaterThanOrEqual(18 - 4);
  });

  it("owes nothing for what it took while nobody else wanted it", () => {
    const [a, b] = [tenant(), tenant({ wants: false })];
    const place = new Place(4, [a, b]);
    place.run(1_000);
    b.wants = true;
    place.run(40);
    expect(place.order.slice(-20).filter((one) => one === a)).toHaveLength(10);
  });

  it("gets the next calls when it arrives, until both have their parts in flight", () => {
    const [large, small] = [tenant(), tenant({ wants: false })];
    const place = new Place(8, [large, small]);
    place.run(100);
    const before = place.order.length;
    small.wants = true;
    place.fill();
    for (let call = 0; call < 10; call += 1) {
      place.end();
      place.fill();
    }
    const first = place.order.slice(before);
    expect(first.slice(0, 7).every((one) => one === small)).toBe(true);
    expect(first.filter((one) => one === large).length).toBeGreaterThan(0);
  });
});

describe("a floor", () => {
  it("is had by the smallest weight, and not at the cost of the next share", () => {
    const [large, small] = [tenant({ weight: 100 }), tenant({ weight: 0.01, floor: 2 })];
    const place = new Place(10, [large, small]);
    place.run(500);
    place.fill();
    expect(small.inFlight).toBe(2);
    // Once it has no floor any more its weight alone counts, from now on.
    small.share = { ...small.share, floor: null, weight: 100 };
    const before = small.made;
    place.run(100);
    expect(small.made - before).toBeGreaterThan(40);
  });

  it("is no ceiling: weights decide above it", () => {
    const [a, b] = [tenant({ weight: 3, floor: 1 }), tenant({ weight: 1, floor: 1 })];
    const place = new Place(8, [a, b]);
    place.run(800);
    expect(shares([a, b])[0]).toBeCloseTo(0.75, 1);
  });
});

it("a share is an equal one when nothing was said", () => {
  expect(EQUAL_SHARE).toEqual({ weight: 1, floor: null, ceiling: null });
});

function belowFloor(tenants: readonly Tenant[]): Tenant[] {
  return tenants.filter(
    ({ wants, share: { floor, ceiling }, inFlight }) =>
      wants && floor !== null && inFlight < floor && (ceiling === null || inFlight < ceiling),
  );
}
