import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EndpointLeases } from "../../src/cluster/endpoint-leases.ts";
import {
  fromCount,
  GIVEN_PARTS,
  grantedOf,
  PARTS,
  toCount,
  wantedParts,
  windowMsOf,
} from "../../src/cluster/share-window.ts";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import { makeRandom } from "../support/traffic-simulation.ts";

const LIMITS = { ...NO_LIMITS, requestsPerMinute: 6_000 };
const WINDOW_MS = windowMsOf(LIMITS);

describe("the arithmetic of a window", () => {
  it("never grants more than there is, whoever asks for how much in whatever order, and whoever gives back", () => {
    const step = fc.record({ process: fc.nat(7), asks: fc.integer({ min: 0, max: PARTS }), gives: fc.nat(100) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let count = 0;
        const held = new Map<number, number>();
        for (const { process, asks, gives } of steps) {
          const has = held.get(process) ?? 0;
          count += toCount(asks, !held.has(process));
          const granted = grantedOf(asks, fromCount(count).parts);
          count -= asks - granted;
          const back = Math.floor(((has + granted) * gives) / 400);
          count -= back;
          held.set(process, has + granted - back);
          const all = [...held.values()].reduce((sum, one) => sum + one, 0);
          expect(all).toBeLessThanOrEqual(GIVEN_PARTS);
          expect(fromCount(count)).toEqual({ processes: held.size, parts: all });
        }
      }),
    );
  });

  it("wants a little more than was used, everything when calls waited, nothing when there were none", () => {
    expect(wantedParts({ used: 0.4, isShort: false })).toBe(5_100);
    expect(wantedParts({ used: 0.4, isShort: true })).toBe(GIVEN_PARTS);
    expect(wantedParts({ used: 0, isShort: false })).toBe(0);
  });
});

/** A store in memory, and processes that use of their share what they want. */
class Fleet {
  readonly counts = new Map<string, number>();
  readonly members: { leases: EndpointLeases; share: number; untilMs: number; wants: number; isDead: boolean }[] = [];
  operations = 0;
  isAway = false;
  readonly #random = makeRandom(7);

  readonly store = {
    nowMs: () => performance.now() + 1_700_000_000_000,
    add: async (key: string, amount: number): Promise<number> => {
      this.operations += 1;
      if (this.isAway) throw new Error("connect ECONNREFUSED");
      const count = (this.counts.get(key) ?? 0) + amount;
      this.counts.set(key, count);
      return count;
    },
  };

  /** @param wants of the whole endpoint, 0..1 */
  join(wants: number): Fleet["members"][number] {
    const member = { share: 0, untilMs: 0, wants, isDead: false } as Fleet["members"][number];
    member.leases = new EndpointLeases({
      // As kill -9 does: nothing is given back, nothing is asked any more.
      store: { ...this.store, add: (...of) => (member.isDead ? new Promise(() => {}) : this.store.add(of[0], of[1])) },
      lease: (share, untilMs) => Object.assign(member, { share, untilMs }),
      lookAtDemand: () => ({
        used: Math.min(member.share, member.wants),
        isShort: member.wants > member.share + 0.005,
      }),
      key: "openai:abc:def",
      limits: LIMITS,
      now: () => performance.now(),
      random: this.#random,
    });
    this.members.push(member);
    return member;
  }

  get shares(): number[] {
    return this.members.map(({ share, untilMs }) => (performance.now() < untilMs ? share : 0));
  }

  /** Lets time pass. @returns the mean of what was leased together; each moment it is checked not to be too much */
  async pass(ms: number): Promise<number> {
    let sum = 0;
    for (let at = 0; at < ms; at += 50) {
      await vi.advanceTimersByTimeAsync(50);
      const all = this.shares.reduce((total, one) => total + one, 0);
      expect(all).toBeLessThanOrEqual(GIVEN_PARTS / PARTS + 1e-9);
      sum += all;
    }
    return sum / (ms / 50);
  }
}

describe("processes that lease one endpoint", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  it("share it equally, use nearly all of it, and ask seldom", async () => {
    const fleet = new Fleet();
    for (let at = 0; at < 4; at += 1) fleet.join(1);
    await fleet.pass(3 * WINDOW_MS);
    fleet.operations = 0;
    const windows = 20;
    expect(await fleet.pass(windows * WINDOW_MS)).toBeGreaterThan(0.96);
    for (const share of fleet.shares) expect(share).toBeGreaterThan(0.2);
    // A call every 10 ms: at most one question of any of the four for 50 calls.
    expect(fleet.operations).toBeLessThanOrEqual((windows * WINDOW_MS) / 10 / 50);
  });

  it("take what others do not need, and give it back to one that comes", async () => {
    const fleet = new Fleet();
    const quiet = fleet.join(0.05);
    const busy = fleet.join(1);
    await fleet.pass(4 * WINDOW_MS);
    expect(busy.share).toBeGreaterThan(0.8);
    quiet.wants = 1;
    const third = fleet.join(1);
    await fleet.pass(6 * WINDOW_MS);
    for (const { share } of [quiet, busy, third]) expect(share).toBeGreaterThan(0.25);
  });

  it("begin at once when there is room, and leave at once what they held", async () => {
    const fleet = new Fleet();
    const first = fleet.join(1);
    await fleet.pass(5_000);
    expect(first.share).toBeGreaterThan(0.9);
    await first.leases.close();
    const second = fleet.join(1);
    await fleet.pass(5_000);
    expect(second.share).toBeGreaterThan(0.9);
  });

  it("lose what a dead one held until the window is over, no longer", async () => {
    const fleet = new Fleet();
    const [one, dead] = [fleet.join(1), fleet.join(1)];
    await fleet.pass(4 * WINDOW_MS);
    dead.isDead = true;
    await fleet.pass(8 * WINDOW_MS);
    expect(one.share).toBeGreaterThan(0.9);
  });

  it("spend nothing beyond their lease while the store is away, say why, and go on by themselves", async () => {
    const fleet = new Fleet();
    const member = fleet.join(1);
    await fleet.pass(2 * WINDOW_MS);
    fleet.isAway = true;
    await fleet.pass(2 * WINDOW_MS);
    expect(fleet.shares).toEqual([0]);
    expect(member.leases.trouble).toBe("connect ECONNREFUSED");
    const asked = fleet.operations;
    await fleet.pass(60_000);
    expect(fleet.operations - asked).toBeLessThan(60);
    fleet.isAway = false;
    await fleet.pass(2 * WINDOW_MS);
    expect(member.share).toBeGreaterThan(0.9);
    expect(member.leases.trouble).toBeNull();
  });
});
