import { describe, expect, it } from "vitest";
import type { LimitStep, Sample } from "../../src/dashboard/api.ts";
import { flagsOf } from "../../web/limit-flags.ts";
import { withSample } from "../../web/samples.ts";
import { nearest, timeTicks, valueTicks } from "../../web/ticks.ts";

const step = (atMs: number, endpoint: string, from: number, to: number, reason: LimitStep["reason"]): LimitStep => ({
  atMs,
  endpoint,
  from,
  to,
  reason,
  words: reason,
});
const sample = (atMs: number): Sample => ({
  atMs,
  itemsPerSecond: 1,
  p50Ms: null,
  p95Ms: null,
  inFlight: 1,
  limit: 1,
  settled: 1,
  costUsd: null,
});

describe("flags on the curve", () => {
  it("are one for changes alike that follow each other at an endpoint", () => {
    const flags = flagsOf(
      [
        step(1, "main", 5, 6, "slow-start"),
        step(2, "eu", 5, 6, "slow-start"),
        step(3, "main", 6, 7, "slow-start"),
        step(4, "main", 7, 3, "rate-limited"),
        step(5, "main", 3, 1, "rate-limited"),
        step(6, "main", 1, 2, "clean-round"),
      ],
      8,
    );
    expect(
      flags.map(({ number, endpoint, from, to, changes, lastMs }) => [number, endpoint, from, to, changes, lastMs]),
    ).toEqual([
      [1, "main", 5, 7, 2, 3],
      [2, "eu", 5, 6, 1, 2],
      [3, "main", 7, 1, 2, 5],
      [4, "main", 1, 2, 1, 6],
    ]);
  });

  it("are the newest, numbered from 1", () => {
    const many = Array.from({ length: 20 }, (_, at) =>
      step(at, "main", at, at + 1, at % 2 ? "latency" : "clean-round"),
    );
    expect(flagsOf(many, 3).map(({ number, atMs }) => [number, atMs])).toEqual([
      [1, 17],
      [2, 18],
      [3, 19],
    ]);
  });
});

describe("samples", () => {
  it("stay within a bound, reach back to the first and end with the newest", () => {
    let held: readonly Sample[] = [];
    for (let at = 1; at <= 1_000; at++) held = withSample(held, sample(at), 100);
    expect(held.length).toBeLessThanOrEqual(100);
    expect(held[0]!.atMs).toBe(1);
    expect(held.slice(-20).map(({ atMs }) => atMs)).toEqual(Array.from({ length: 20 }, (_, at) => 981 + at));
  });

  it("are not taken twice", () => {
    const held = [sample(5)];
    expect(withSample(held, sample(5), 100)).toBe(held);
    expect(withSample(held, sample(4), 100)).toBe(held);
  });
});

describe("axes", () => {
  it("have round values up to at least the largest", () => {
    expect(valueTicks(48, 3)).toEqual([0, 20, 40, 60]);
    expect(valueTicks(0.7, 2)).toEqual([0, 0.5, 1]);
    expect(valueTicks(1, 4)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    for (const most of [1, 3, 7, 11, 99, 101, 7_123]) expect(valueTicks(most, 4).at(-1)).toBeGreaterThanOrEqual(most);
  });

  it("have round points in time, no more than there is room for", () => {
    const from = Date.UTC(2026, 0, 1, 13, 14, 8);
    const ticks = timeTicks(from, from + 78 * 60_000, 6);
    expect(ticks.map((ms) => new Date(ms).toISOString().slice(11, 16))).toEqual([
      "13:15",
      "13:30",
      "13:45",
      "14:00",
      "14:15",
      "14:30",
    ]);
    expect(timeTicks(from, from + 20 * 86_400_000, 6).length).toBeLessThanOrEqual(6);
    expect(timeTicks(from, from, 6).length).toBeLessThanOrEqual(1);
  });

  it("find the point that is nearest", () => {
    expect(nearest([10, 20, 40], 14)).toBe(0);
    expect(nearest([10, 20, 40], 16)).toBe(1);
    expect(nearest([10, 20, 40], 99)).toBe(2);
    expect(nearest([10, 20, 40], -5)).toBe(0);
    expect(nearest([], 3)).toBe(-1);
  });
});
