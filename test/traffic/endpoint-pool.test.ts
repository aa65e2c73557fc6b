import { expect, it } from "vitest";
import type { ModelSettings } from "../../src/job.ts";
import { EndpointPool } from "../../src/traffic/endpoint-pool.ts";
import { handAnswered } from "../support/hand-answered.ts";

const MODEL: ModelSettings = { provider: "openai", name: "m", baseUrl: "https://a.example/v1", apiKey: "one" };

function open(pool: EndpointPool, changes: Partial<ModelSettings> = {}) {
  return handAnswered({ upstream: pool.upstreamOf({ ...MODEL, ...changes }, Date.now) }).endpoint;
}

it("one place is one model of one provider at one URL with one key and the same settings", () => {
  const pool = new EndpointPool();
  const first = pool.upstreamOf(MODEL, Date.now);
  const same = { ...MODEL, settings: {} };
  expect(pool.upstreamOf(same, Date.now)).toBe(first);
  const regions = { settings: { region: "eu", resource: "r" } };
  const turned = { settings: { resource: "r", region: "eu" } };
  expect(pool.upstreamOf({ ...MODEL, ...regions }, Date.now)).toBe(pool.upstreamOf({ ...MODEL, ...turned }, Date.now));
  const others: Partial<ModelSettings>[] = [
    regions,
    { provider: "openai-compatible" },
    { name: "n" },
    { baseUrl: "https://b.example/v1" },
    { baseUrl: null },
    { apiKey: "two" },
    { apiKey: null },
  ];
  const places = others.map((changes) => pool.upstreamOf({ ...MODEL, ...changes }, Date.now));
  expect(new Set([first, ...places]).size).toBe(others.length + 1);
});

it("is kept as long as somebody asks there, and begun anew afterwards", async () => {
  const pool = new EndpointPool();
  const [a, b] = [open(pool), open(pool)];
  const place = pool.upstreamOf(MODEL, Date.now);
  expect([pool.size, place.parties, a.isShared]).toEqual([1, 2, true]);
  a.close();
  expect([pool.size, place.parties, b.isShared]).toEqual([1, 1, false]);
  pool.move(b, { ...MODEL, apiKey: "two" }, Date.now);
  expect([pool.size, place.parties]).toEqual([1, 0]);
  pool.move(b, MODEL, Date.now);
  const next = pool.upstreamOf(MODEL, Date.now);
  expect([pool.size, next === place, next.parties]).toEqual([1, false, 1]);
  b.close();
  b.close();
  expect(pool.size).toBe(0);
});
