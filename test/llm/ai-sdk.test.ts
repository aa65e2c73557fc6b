import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { QuerymillError } from "../../src/errors.ts";
import { forever, freePort, prompt, request } from "../support/open-model.ts";
import { openSdk, startWire, WIRE_NAMES } from "../support/open-sdk.ts";

describe.each(WIRE_NAMES)("a call of %s", (wire) => {
  it("brings the answer, the usage in its parts, and the returned model", async () => {
    const { provider, server } = await startWire(wire);
    const reply = await provider.call(request("[doc:1] hello"), forever);
    expect(JSON.parse(reply.text)).toMatchObject({
      category: expect.stringMatching(/^(billing|shipping)$/),
      language: "en",
    });
    expect(reply.finish).toBe("stop");
    expect(reply.model).toMatch(/-(20251001|001|2506)$/);
    expect(reply.latencyMs).toBeGreaterThan(0);
    expect(reply.usage).toEqual({
      inputTokens: 100,
      cachedInputTokens: 20,
      cacheWriteTokens: wire === "anthropic" ? 30 : 0,
      outputTokens: 40,
      reasoningTokens: wire === "mistral" ? 0 : 10,
    });
    expect(server.requests).toHaveLength(1);
  });

  it("sends rules, schema and text apart, temperature 0, and the key where it belongs", async () => {
    const { provider, server } = await startWire(wire, { apiKey: "key-of-the-test" });
    await provider.call(request('say "hi"\u2028\ud83d\ude00'), forever);
    const body = JSON.stringify(server.requests[0]);
    expect(body).toContain(JSON.stringify(prompt.system).slice(1, -1));
    expect(body).toContain(JSON.stringify('say "hi"\u2028\ud83d\ude00').slice(1, -1));
    expect(body).toContain('"enum":["billing","shipping"]');
    expect(body).toContain('"temperature":0');
    expect(body).not.toContain("key-of-the-test");
    expect(server.headers[0]).toMatchObject({ "accept-encoding": "identity" });
  });

  it("shows the wrong answer and its problems when it repairs", async () => {
    const { provider, server } = await startWire(wire);
    const repair = { answer: '{"category":"x"}', problems: ["category is wrong"] };
    const reply = await provider.call({ ...request("[doc:1]"), repair }, forever);
    expect(reply.finish).toBe("stop");
    expect(JSON.stringify(server.requests[0])).toContain("- category is wrong");
  });

  it.each([
    [{ end: "length" }, { finish: "length" }],
    [{ end: "refusal" }, { finish: "content" }],
    [{ end: "blocked" }, { finish: "content" }],
    [{ say: "Sure! It is about billing." }, { finish: "stop", text: "Sure! It is about billing." }],
    [{ say: "" }, { finish: "content" }],
  ] as const)("hands on what the model did: %j", async (fault, expected) => {
    const { provider } = await startWire(wire, { fail: () => fault });
    expect(await provider.call(request("x"), forever)).toMatchObject(expected);
  });

  it("takes counts that cannot be true for none", async () => {
    const tokens = { input: 100, cached: 0, written: 0, output: 1_000_000, reasoning: 0 };
    const { provider } = await startWire(wire, { tokens });
    expect((await provider.call(request("x"), forever)).usage).toBeNull();
  });

  it("leaves out what a model does not take, learned from one refusal each", async () => {
    const { provider, server } = await startWire(wire, {
      refuses: [
        { holding: '"temperature"', refuse: "temperature" },
        { holding: wire === "google" ? "responseJsonSchema" : "json_schema", refuse: "schema" },
      ],
    });
    for (const id of ["1", "2"]) {
      const reply = await provider.call(request(`[doc:${id}]`), forever);
      expect(JSON.parse(reply.text)).toHaveProperty("category");
    }
    expect(server.requests).toHaveLength(4);
    const last = JSON.stringify(server.requests.at(-1));
    expect(last).toContain('"classify"');
    expect(last).not.toContain("temperature");
  });

  it("is learned once by calls at the same time", async () => {
    const { provider, server } = await startWire(
      wire,
      { refuses: [{ holding: '"temperature"', refuse: "temperature" }] },
      { connections: 20 },
    );
    const calls = Array.from({ length: 20 }, (_, i) => provider.call(request(`[doc:${i}]`), forever));
    for (const reply of await Promise.all(calls)) expect(JSON.parse(reply.text)).toHaveProperty("category");
    expect(server.requests.length).toBeLessThanOrEqual(40);
    expect([...server.paid.values()]).toEqual(Array(20).fill(1));
  });

  it("tells the limits from the headers", async () => {
    const name = wire === "anthropic" ? "anthropic-ratelimit-requests" : "x-ratelimit";
    const headers =
      wire === "anthropic"
        ? { [`${name}-limit`]: "50", [`${name}-remaining`]: "49", [`${name}-reset`]: "2020-01-01T00:00:00Z" }
        : { [`${name}-limit-requests`]: "50", [`${name}-remaining-requests`]: "49" };
    const { provider } = await startWire(wire, { headers });
    expect((await provider.call(request("x"), forever)).rate).toMatchObject({
      limitRequests: 50,
      remainingRequests: 49,
    });
  });

  it("lets go of the signal", async () => {
    const { provider } = await startWire(wire);
    const stop = new AbortController();
    for (let i = 0; i < 30; i++) await provider.call(request(`[doc:${i}]`), stop.signal);
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  });

  it("is looked at for free before a run, without a key", async () => {
    const { provider, server } = await startWire(wire, { apiKey: "key-of-the-test" });
    await provider.check(forever);
    expect(server.requests).toHaveLength(0);
    expect(server.others).toHaveLength(1);
  });
});

describe("the cache of prompts", () => {
  it("is asked for by Anthropic's mark at the end of the rules, and only there", async () => {
    const { provider, server } = await startWire("anthropic");
    await provider.call(request("[doc:1]"), forever);
    const [body] = server.requests;
    expect(body!.system).toEqual([{ type: "text", text: prompt.system, cache_control: { type: "ephemeral" } }]);
    expect(JSON.stringify(body!.messages)).not.toContain("cache_control");
    const google = await startWire("google");
    await google.provider.call(request("[doc:1]"), forever);
    expect(JSON.stringify(google.server.requests)).not.toMatch(/cache/i);
  });

  it("is done without where a gateway does not know the mark", async () => {
    const message = "system.0.cache_control: Extra inputs are not permitted";
    const { provider, server } = await startWire("anthropic", {
      fail: () =>
        JSON.stringify(server.requests.at(-1)).includes("cache_control")
          ? { status: 400, body: JSON.stringify({ type: "error", error: { type: "invalid_request_error", message } }) }
          : null,
    });
    expect((await provider.call(request("x"), forever)).finish).toBe("stop");
    expect(server.requests).toHaveLength(2);
    expect(JSON.stringify(server.requests[1])).toContain("output_config");
  });
});

describe("thinking", () => {
  it("is turned off, or to the least, where a model of Google's thinks by itself", async () => {
    const { provider, server } = await startWire("google");
    await provider.call(request("x"), forever);
    expect(server.requests[0]!.generationConfig).toMatchObject({ thinkingConfig: { thinkingBudget: 0 } });
  });
});

describe("opening", () => {
  it("says what to install when the package is not there, and sends nothing", async () => {
    await expect(openSdk("anthropic", { packageName: "@ai-sdk/amazon-bedrock" })).rejects.toThrow(
      /needs the package @ai-sdk\/amazon-bedrock, which is not installed.*npm i @ai-sdk\/amazon-bedrock@5$/,
    );
    await expect(openSdk("anthropic", { packageName: "@ai-sdk/no-such" })).rejects.toThrow(/npm i @ai-sdk\/no-such$/);
  });

  it.each([
    ["no URL", { baseUrl: "localhost" }],
    ["a key with a line end", { apiKey: "abc\n" }],
    ["a package that makes no models", { packageName: "@ai-sdk/provider" }],
  ])("refuses %s", async (_name, options) => {
    await expect(openSdk("anthropic", options)).rejects.toThrow(QuerymillError);
  });

  it("loads any other package of the AI SDK by its own name", async () => {
    const rest = { provider: "@ai-sdk/groq", packageName: "@ai-sdk/groq", model: "llama" };
    const { provider, server } = await startWire("mistral", { apiKey: "key-of-the-test" }, rest);
    expect((await provider.call(request("x"), forever)).finish).toBe("stop");
    expect(provider.label).toBe(`@ai-sdk/groq/llama at http://127.0.0.1:${server.port}`);
  });

  it("never takes a key or an address from the environment by itself", async () => {
    const { server, provider } = await startWire("anthropic", {}, { apiKey: null });
    process.env.ANTHROPIC_API_KEY = "key-of-the-provider";
    process.env.ANTHROPIC_BASE_URL = "http://127.0.0.1:1/elsewhere";
    try {
      await provider.call(request("x"), forever);
      expect(JSON.stringify(server.headers)).not.toContain("key-of-the-provider");
    } finally {
      delete process.env.ANTHROPIC_API_KEY;
      delete process.env.ANTHROPIC_BASE_URL;
    }
  });

  it("names the host that is not there, and no key", async () => {
    const port = await freePort();
    const provider = await openSdk("anthropic", { baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: "secret-key" });
    const error = await provider.check(forever).catch((reason: unknown) => reason as QuerymillError);
    expect(error).toMatchObject({ code: "MODEL_UNREACHABLE", message: expect.stringContaining(`127.0.0.1:${port}`) });
    expect(`${error?.message} ${provider.label}`).not.toContain("secret");
  });
});
