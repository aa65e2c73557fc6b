import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import type { Fault } from "../support/model-server.ts";
import { failureOf, forever, freePort, open, request, serve, start } from "../support/open-model.ts";

/** Signed by itself for `localhost`; of use for these tests only. */
const TLS_CERT = `-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUT8EFRQoqEs4iT3/aWG86nDm4Zb0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDAyMzA0MloYDzIxMjYxMDMx
MDIzMDQyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASnEWQ02iO0pGcVsN1wv+ACcVNSvHmTp+VTrkF4QDJCfx0FEjfp6PER
IXh+9jBtGK8D5m5N0VbZBvMH8a+X4qsfo1MwUTAdBgNVHQ4EFgQUAAICiuwdaR4b
BP1ePwlfMZDIYIQwHwYDVR0jBBgwFoAUAAICiuwdaR4bBP1ePwlfMZDIYIQwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAi4fVqGzPcICgfnozxdgQ
Oy8iyNzTGMAck3mmzpyhuXsCIQDh0E52tfl6VBlpvEZFbGSWUkS9/qPVrKvgtPzn
FCpPsQ==
-----END CERTIFICATE-----`;
const TLS_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0B9xz9NxhtBuIxxq
Cjhu5dTowfc+5UVVkzmgqHbsCEOhRANCAASnEWQ02iO0pGcVsN1wv+ACcVNSvHmT
p+VTrkF4QDJCfx0FEjfp6PERIXh+9jBtGK8D5m5N0VbZBvMH8a+X4qsf
-----END PRIVATE KEY-----`;

describe("a failed call", () => {
  it.each([
    [null, "No key was sent: set QUERYMILL_API_KEY in the environment or in .env to the key of this server."],
    ["sk-wrong-123", "The key that was sent is not taken: check the variable QUERYMILL_API_KEY"],
  ])("by a 401 of an own server says whether a key was sent: %j", async (apiKey, words) => {
    const { provider } = await start({ fail: () => "401" }, { apiKey });
    const { message } = await failureOf(provider.call(request("x"), forever));
    expect(message).toContain(words);
    expect(message).not.toContain("sk-");
  });

  it.each([
    ["429", "throttled", 429],
    ["500", "transient", 500],
    ["503", "transient", 503],
    ["529", "transient", 529],
    ["401", "config", 401],
    ["403", "config", 403],
    ["404", "config", 404],
    ["402", "billing", 402],
    ["insufficient-quota", "billing", 429],
    ["daily-quota", "daily-quota", 429],
    ["context-length", "too-long", 400],
    ["reset-before", "unknown-outcome", null],
    ["reset-after", "unknown-outcome", null],
    ["half-body-reset", "unknown-outcome", null],
    ["hang", "unknown-outcome", null],
    ["half-body", "unknown-outcome", null],
    ["drip", "unknown-outcome", null],
    ["html200", "malformed", 200],
    ["null200", "malformed", 200],
    ["huge", "malformed", null],
    ["gzip", "config", 200],
    ["redirect", "config", 307],
    [{ status: 200, body: '{"error":{"message":"Provider returned error","code":429}}' }, "throttled", 429],
    [{ status: 200, body: '{"choices":[{"error":{"code":502,"message":"x"},"message":{}}]}' }, "transient", 502],
    [{ status: 204, body: "" }, "config", 204],
    [{ status: 503, body: "x", headers: { "content-encoding": "gzip" } }, "transient", 503],
  ] as [Fault, string, number | null][])("by %j is %s", async (fault, failure, status) => {
    // Only what never answers may meet the deadline, however busy the machine is.
    const isEndless = ["hang", "half-body", "drip"].includes(String(fault));
    const { provider } = await start({ fail: () => fault }, { attemptMs: isEndless ? 150 : 30_000 });
    const error = await failureOf(provider.call(request("the customer's own words"), forever));
    expect({ failure: error.failure, status: error.status }).toEqual({ failure, status });
    expect(error.message).not.toContain("own words");
    expect(error.message).not.toContain("sk-");
  });

  it("leaves the endpoint usable", async () => {
    const faults: Fault[] = ["reset-after", "hang", "drip", "huge", "gzip", "half-body"];
    const { provider } = await start(
      { fail: (_id, attempt) => faults[attempt - 1] ?? null },
      { attemptMs: 150, connections: 1 },
    );
    for (const _ of faults) await failureOf(provider.call(request("[doc:1]"), forever));
    expect(await provider.call(request("[doc:1]"), forever)).toMatchObject({ finish: "stop" });
  });

  it.each([
    [{ "retry-after": "2" }, 2_000],
    [{ "retry-after-ms": "150" }, 150],
    [{ "retry-after": "1m30s" }, 90_000],
    [{ "retry-after": "-5" }, null],
    [{ "retry-after": "soon" }, null],
  ])("says how long to wait: %j", async (throttleHeaders, ms) => {
    const { provider } = await start({ fail: () => "429", throttleHeaders });
    expect((await failureOf(provider.call(request("x"), forever))).retryAfterMs).toBe(ms);
  });

  it("does not take the text to where it is redirected", async () => {
    const elsewhere = await serve();
    const { provider } = await start({ fail: () => "redirect", redirectTo: `${elsewhere.baseUrl}/chat/completions` });
    const error = await failureOf(provider.call(request("x"), forever));
    expect(error.message).toContain(`redirects to 127.0.0.1:${elsewhere.port}`);
    expect(elsewhere.ledger().received).toBe(0);
  });

  it("keeps the raw answer, cut, for the dead letter", async () => {
    const { provider } = await start({ fail: () => ({ status: 400, body: "x".repeat(100_000) }) });
    expect((await failureOf(provider.call(request("x"), forever))).rawAnswer).toHaveLength(65_536);
  });

  it("is transient when nothing listens, config when there is no such host", async () => {
    const refused = open({ baseUrl: `http://127.0.0.1:${await freePort()}/v1` });
    expect(await failureOf(refused.call(request("x"), forever))).toMatchObject({ failure: "transient", status: null });
    const nowhere = open({ baseUrl: "http://no-such-host.invalid/v1" });
    expect((await failureOf(nowhere.call(request("x"), forever))).failure).toMatch(/config|transient/);
  });

  it("is config when TLS is refused: a certificate nobody vouches for, or no TLS at all", async () => {
    const { server: untrusted } = await start({ tls: { key: TLS_KEY, cert: TLS_CERT } });
    const plain = await serve();
    for (const port of [untrusted.port, plain.port]) {
      const provider = open({ baseUrl: `https://127.0.0.1:${port}/v1` });
      expect((await failureOf(provider.call(request("x"), forever))).failure).toBe("config");
    }
    expect(plain.ledger().received + untrusted.ledger().received).toBe(0);
  });
});

describe("a signal", () => {
  it("ends a call that was sent with unknown outcome, at once", async () => {
    const { provider, server } = await start({ fail: () => "hang" }, { attemptMs: 60_000 });
    const stop = new AbortController();
    const call = failureOf(provider.call(request("x"), stop.signal));
    while (server.ledger().inFlight === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    expect((await call).failure).toBe("unknown-outcome");
  });

  it("that has fired sends nothing", async () => {
    const { provider, server } = await start();
    expect((await failureOf(provider.call(request("x"), AbortSignal.abort()))).failure).toBe("transient");
    expect(server.ledger().received).toBe(0);
  });

  it("ends a call that waits for a connection without sending it later", async () => {
    const { provider, server } = await start({ latency: "fixed:100" }, { connections: 1 });
    const stop = new AbortController();
    const first = provider.call(request("[doc:1]"), forever);
    const second = failureOf(provider.call(request("[doc:2]"), stop.signal));
    stop.abort();
    expect((await second).failure).toBe("transient");
    expect(await first).toMatchObject({ finish: "stop" });
    expect(await provider.call(request("[doc:3]"), forever)).toMatchObject({ finish: "stop" });
    expect([...server.ledger().perDoc.keys()].sort()).toEqual(["1", "3"]);
  });

  it("of the deadline starts with sending, not with waiting for a connection", async () => {
    const { provider } = await start({ latency: "fixed:1000" }, { connections: 1, attemptMs: 1_700 });
    const calls = [1, 2].map((id) => provider.call(request(`[doc:${id}]`), forever));
    for (const reply of await Promise.all(calls)) expect(reply.finish).toBe("stop");
  });

  it("is let go of after each call", async () => {
    const { provider } = await start();
    const stop = new AbortController();
    for (let i = 0; i < 30; i++) await provider.call(request(`[doc:${i}]`), stop.signal);
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  });
});
