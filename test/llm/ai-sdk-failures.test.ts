import { describe, expect, it } from "vitest";
import { failureOf, forever, freePort, request } from "../support/open-model.ts";
import { openSdk, serveWire, startWire, WIRE_NAMES } from "../support/open-sdk.ts";
import type { WireFault } from "../support/wire-server.ts";

const FAULTS: [WireFault, string, number | null | RegExp][] = [
  [{ refuse: "rate" }, "throttled", 429],
  [{ refuse: "overloaded" }, "transient", /529|503/],
  [{ refuse: "fault" }, "transient", 500],
  [{ refuse: "invalid key" }, "config", /401|400/],
  [{ refuse: "no credit" }, "billing", /400|402|429/],
  [{ refuse: "unknown model" }, "config", /404|400/],
  [{ refuse: "too long" }, "too-long", 400],
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
  [{ status: 200, body: '{"error":{"message":"upstream","code":429}}' }, "throttled", 429],
  [{ status: 200, body: "" }, "malformed", 200],
  [{ status: 502, body: "<html>Bad gateway</html>" }, "transient", 502],
  [{ status: 503, body: "x", headers: { "content-encoding": "gzip" } }, "transient", 503],
];

describe.each(WIRE_NAMES)("a failed call of %s", (wire) => {
  it.each(FAULTS)("by %j is %s", async (fault, failure, status) => {
    // Only what never answers may meet the deadline, however busy the machine is.
    const isEndless = ["hang", "half-body", "drip"].includes(String(fault));
    const { provider } = await startWire(wire, { fail: () => fault }, { attemptMs: isEndless ? 150 : 30_000 });
    const error = await failureOf(provider.call(request("the customer's own words"), forever));
    expect(error.failure, error.message).toBe(failure);
    if (status instanceof RegExp) expect(String(error.status)).toMatch(status);
    else expect(error.status).toBe(status);
    expect(error.message).not.toMatch(/own words|key-of-the-test/);
    expect(error.message).toContain("127.0.0.1");
  });

  it("says how long to wait, from the headers or the body", async () => {
    const { provider } = await startWire(wire, { fail: () => ({ refuse: "rate" }) });
    const error = await failureOf(provider.call(request("x"), forever));
    expect(error.retryAfterMs).toBe(3_000);
    if (wire === "anthropic") expect(error.rate).toMatchObject({ limitTokens: 50_000, remainingTokens: 0 });
  });

  it("leaves the endpoint usable", async () => {
    const faults: WireFault[] = ["reset-after", "hang", "drip", "huge", "gzip", "half-body", { refuse: "overloaded" }];
    const { provider } = await startWire(
      wire,
      { fail: (_id, attempt) => faults[attempt - 1] ?? null },
      { attemptMs: 150, connections: 1 },
    );
    for (const _ of faults) await failureOf(provider.call(request("[doc:1]"), forever));
    expect(await provider.call(request("[doc:1]"), forever)).toMatchObject({ finish: "stop" });
  });

  it("does not take the text to where it is redirected", async () => {
    const elsewhere = await serveWire(wire);
    const { provider } = await startWire(wire, { fail: () => "redirect", redirectTo: elsewhere.baseUrl });
    const error = await failureOf(provider.call(request("x"), forever));
    expect(error.message).toContain(`redirects to 127.0.0.1:${elsewhere.port}`);
    expect(elsewhere.requests).toHaveLength(0);
  });

  it("is asked once: nothing retries but the run", async () => {
    const { provider, server } = await startWire(wire, { fail: () => ({ refuse: "fault" }) });
    await failureOf(provider.call(request("x"), forever));
    expect(server.requests).toHaveLength(1);
  });

  it("keeps the key out of bodies that repeat it", async () => {
    const apiKey = "canary-key-of-the-test";
    const body = JSON.stringify({ error: { message: `no: ${apiKey}`, type: apiKey, code: 400, status: apiKey } });
    const { provider } = await startWire(wire, { fail: () => ({ status: 400, body }) }, { apiKey });
    const error = await failureOf(provider.call(request("x"), forever));
    expect(`${error.message} ${error.rawAnswer} ${error.cause}`).not.toContain(apiKey);
  });

  it("is transient when nothing listens", async () => {
    const provider = await openSdk(wire, { baseUrl: `http://127.0.0.1:${await freePort()}/v1` });
    expect(await failureOf(provider.call(request("x"), forever))).toMatchObject({ failure: "transient", status: null });
  });
});

describe.each(WIRE_NAMES)("a signal at %s", (wire) => {
  it("ends a call that was sent with unknown outcome, at once", async () => {
    const { provider, server } = await startWire(wire, { fail: () => "hang" }, { attemptMs: 60_000 });
    const stop = new AbortController();
    const call = failureOf(provider.call(request("x"), stop.signal));
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    expect((await call).failure).toBe("unknown-outcome");
  });

  it("that has fired sends nothing", async () => {
    const { provider, server } = await startWire(wire);
    expect((await failureOf(provider.call(request("x"), AbortSignal.abort()))).failure).toBe("transient");
    expect(server.requests).toHaveLength(0);
  });

  it("of the deadline starts with sending, not with waiting for a connection", async () => {
    const { provider } = await startWire(wire, { latencyMs: 1_000 }, { connections: 1, attemptMs: 1_700 });
    const calls = [1, 2].map((id) => provider.call(request(`[doc:${id}]`), forever));
    for (const reply of await Promise.all(calls)) expect(reply.finish).toBe("stop");
  });
});
