import { expect, it } from "vitest";
import { Latencies } from "../../src/traffic/latencies.ts";

it("knows nothing before the first answer", () => {
  const latencies = new Latencies(() => 0);
  expect([latencies.smoothedMs, latencies.errorShare]).toEqual([null, 0]);
  expect(latencies.snapshot()).toEqual({ callsPerSecond: 0, p50Ms: null, p95Ms: null });
});

it("tells percentiles of the last 512 answers", () => {
  const latencies = new Latencies(() => 0);
  for (let call = 0; call < 600; call += 1) latencies.answered(9_999);
  for (let ms = 1; ms <= 512; ms += 1) latencies.answered(ms);
  expect(latencies.snapshot()).toMatchObject({ p50Ms: 257, p95Ms: 487 });
});

it("tells the answers a second of the last ten seconds, and of less at the start", () => {
  let now = 50_000;
  const latencies = new Latencies(() => now);
  for (let call = 0; call < 30; call += 1) {
    latencies.answered(5);
    now += 100;
  }
  expect(latencies.snapshot().callsPerSecond).toBeCloseTo(10, 0);
  now += 60_000;
  latencies.answered(5);
  expect(latencies.snapshot().callsPerSecond).toBeCloseTo(0.1, 1);
});

it("follows the time of answers and the share of failures", () => {
  const latencies = new Latencies(() => 0);
  latencies.answered(100);
  expect(latencies.smoothedMs).toBe(100);
  for (let call = 0; call < 100; call += 1) latencies.answered(200);
  expect(latencies.smoothedMs).toBeCloseTo(200, 0);
  for (let call = 0; call < 100; call += 1) latencies.failed();
  expect(latencies.errorShare).toBeCloseTo(1, 1);
  for (let call = 0; call < 100; call += 1) latencies.answered(200);
  expect(latencies.errorShare).toBeCloseTo(0, 1);
});

it("counts a call that was given up as one that takes at least as long, and as no answer", () => {
  const latencies = new Latencies(() => 0);
  const seen = [800, 300, 2_400].map((ms) => {
    latencies.outlasted(ms);
    return latencies.smoothedMs;
  });
  expect(seen).toEqual([800, 800, 900]);
  expect(latencies.snapshot()).toEqual({ callsPerSecond: 0, p50Ms: null, p95Ms: null });
});
