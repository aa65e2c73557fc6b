import { describe, expect, it } from "vitest";
import { QuerymillError } from "../../src/errors.ts";
import { failureOf, forever, freePort, open, prompt, request, serve, start } from "../support/open-model.ts";

describe("a call", () => {
  it("brings the answer, the usage, the returned model and the limits", async () => {
    const { provider } = await start({
      rpm: 1_000,
      returnedModel: "drawn-1-0131",
      usage: {
        prompt_tokens: 100,
        completion_tokens: 30,
        prompt_tokens_details: { cached_tokens: 64 },
        completion_tokens_details: { reasoning_tokens: 10 },
      },
    });
    const reply = await provider.call(request("[doc:1] hello"), forever);
    expect(JSON.parse(reply.text)).toMatchObject({
      category: expect.stringMatching(/^(billing|shipping)$/),
      language: "en",
    });
    expect(reply).toMatchObject({
      finish: "stop",
      model: "drawn-1-0131",
      usage: { inputTokens: 100, cachedInputTokens: 64, cacheWriteTokens: 0, outputTokens: 30, reasoningTokens: 10 },
      rate: { limitRequests: 1_000, remainingRequests: 999 },
    });
  });

  it("sends rules first, the text as delimited data last, and a strict schema", async () => {
    const { provider, server } = await start();
    await provider.call(request('say "hi"\u2028\ud83d\ude00'), forever);
    const body = server.requests()[0] as { messages: { role: string; content: string }[] };
    expect(body.messages.map(({ role }) => role)).toEqual(["system", "user"]);
    expect(body.messages[0]?.content).toBe(prompt.system);
    expect(body.messages[1]?.content).toContain('say "hi"\u2028\ud83d\ude00');
    expect(body).toMatchObject({
      model: "drawn-1",
      temperature: 0,
      max_tokens: 300,
      response_format: { type: "json_schema", json_schema: { strict: true, schema: prompt.schema } },
    });
  });

  it("marks the rules for the cache where Claude is asked through OpenRouter, and nowhere else", async () => {
    for (const [model, marked] of [
      ["anthropic/claude-x", true],
      ["openai/gpt-x", false],
    ] as const) {
      const { provider, server } = await start({}, { provider: "openrouter", model });
      await provider.call(request("x"), forever);
      const [{ content }] = (server.requests()[0] as { messages: [{ content: unknown }] }).messages;
      const part = { type: "text", text: prompt.system, cache_control: { type: "ephemeral" } };
      expect(content).toEqual(marked ? [part] : prompt.system);
    }
  });

  it("shows the wrong answer and its problems when it repairs", async () => {
    const { provider, server } = await start();
    await provider.call(
      { ...request("[doc:1]"), repair: { answer: '{"category":"x"}', problems: ["category is wrong"] } },
      forever,
    );
    const { messages } = server.requests()[0] as { messages: { role: string; content: string }[] };
    expect(messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"]);
    expect(messages[3]?.content).toContain("- category is wrong");
    expect(server.ledger().perDoc.get("1")).toEqual({ requests: 1, paid: 1, repairs: 1 });
  });

  it.each([
    ["length", { finish: "length" }],
    ["refusal", { finish: "content", text: "I can't help with that." }],
    ["content-filter", { finish: "content" }],
    ["empty", { finish: "content" }],
    ["usage-missing", { finish: "stop", usage: null }],
    ["usage-absurd", { finish: "stop", usage: null }],
    ["malformed", { finish: "stop", text: expect.stringMatching(/^Sure/) }],
  ] as const)("hands on what the model did: %s", async (fault, expected) => {
    const { provider } = await start({ fail: () => fault });
    expect(await provider.call(request("x"), forever)).toMatchObject(expected);
  });

  it.each([
    [
      "less output than reasoning",
      { prompt_tokens: 10, completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 9 } },
      null,
    ],
    [
      "more cached than input",
      { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 11 } },
      null,
    ],
    ["no input", { prompt_tokens: 0, completion_tokens: 5 }, null],
    ["ten times the limit", { prompt_tokens: 10, completion_tokens: 3_001 }, null],
    ["fractions", { prompt_tokens: 10.5, completion_tokens: 1 }, null],
    [
      "reasoning beside the answer",
      {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 35,
        completion_tokens_details: { reasoning_tokens: 20 },
      },
      { inputTokens: 10, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 25, reasoningTokens: 20 },
    ],
  ])("checks the usage: %s", async (_name, usage, expected) => {
    const { provider } = await start({ usage });
    expect((await provider.call(request("x"), forever)).usage).toEqual(expected);
  });
});

describe("a server that does not take everything", () => {
  it.each([
    [["json_schema"], { response_format: { type: "json_object" } }],
    [["json_schema", "json_object"], { tool_choice: { type: "function", function: { name: "classify" } } }],
    [["temperature"], { response_format: { type: "json_schema" } }],
    [["max_tokens"], { max_completion_tokens: 300 }],
    [["json_schema", "json_object", "temperature", "max_tokens"], { max_completion_tokens: 300 }],
  ] as const)("is asked again at once without %j, and only the first time", async (refuses, expected) => {
    const { provider, server } = await start({ refuses: [...refuses] });
    const reply = await provider.call(request("[doc:1]"), forever);
    expect(JSON.parse(reply.text)).toMatchObject({ category: expect.any(String) });
    expect(server.requests().at(-1)).toMatchObject(expected);
    for (const name of refuses) expect(server.requests().at(-1)).not.toHaveProperty(name);
    expect(server.ledger()).toMatchObject({ received: refuses.length + 1, ok: 1 });
    await provider.call(request("[doc:2]"), forever);
    expect(server.ledger()).toMatchObject({ received: refuses.length + 2, ok: 2 });
  });

  it("is learned once by calls at the same time, none of which goes a step too far", async () => {
    const { provider, server } = await start(
      { refuses: ["json_schema", "temperature"], latency: "fixed:5" },
      { connections: 20 },
    );
    const calls = Array.from({ length: 20 }, (_, i) => provider.call(request(`[doc:${i}]`), forever));
    for (const reply of await Promise.all(calls)) expect(JSON.parse(reply.text)).toHaveProperty("category");
    expect(server.requests().at(-1)).toMatchObject({ response_format: { type: "json_object" }, max_tokens: 300 });
    expect(server.ledger()).toMatchObject({ ok: 20, docsPaid: 20, docsPaidTwice: 0 });
  });

  it("in any form is config, with what it said", async () => {
    const { provider, server } = await start({
      refuses: ["json_schema", "json_object"],
      fail: () => ({ status: 400, body: '{"error":{"message":"structured outputs are off"}}' }),
    });
    const error = await failureOf(provider.call(request("x"), forever));
    expect(error.failure).toBe("config");
    expect(error.message).toContain("structured outputs are off");
    expect(server.ledger().received).toBe(3);
  });
});

describe("the check at the start", () => {
  it("passes with any answer, and costs nothing", async () => {
    const { provider, server } = await start({ apiKey: "right" }, { apiKey: "wrong" });
    await provider.check(forever);
    expect(server.ledger().received).toBe(0);
  });

  it("names the host that is not there, and no key", async () => {
    const port = await freePort();
    const provider = open({ baseUrl: `http://user:pass@127.0.0.1:${port}/v1`, apiKey: "secret-key" });
    const error = await provider.check(forever).then(
      () => null,
      (reason: unknown) => reason as QuerymillError,
    );
    expect(error).toBeInstanceOf(QuerymillError);
    expect(error).toMatchObject({ code: "MODEL_UNREACHABLE", message: expect.stringContaining(`127.0.0.1:${port}`) });
    expect(`${error?.message} ${provider.label}`).not.toMatch(/secret|pass/);
  });
});

describe("opening", () => {
  it("takes a base URL with slash, path and query", async () => {
    const server = await serve();
    const provider = open({ baseUrl: `${server.baseUrl}/?api-version=1` });
    expect((await provider.call(request("x"), forever)).finish).toBe("stop");
    expect(open({ baseUrl: `${server.baseUrl}/chat/completions` }).label).toBe(
      `drawn-1 at http://127.0.0.1:${server.port}`,
    );
  });

  it("sends the key, which the server wants", async () => {
    const { provider } = await start({ apiKey: "k-1" }, { apiKey: "k-1" });
    expect((await provider.call(request("x"), forever)).finish).toBe("stop");
  });

  it.each([
    ["no URL", { baseUrl: "localhost" }],
    ["another protocol", { baseUrl: "ftp://host/v1" }],
    ["a key with a line end", { apiKey: "abc\n" }],
  ])("refuses %s before anything is sent", (_name, options) => {
    expect(() => open(options)).toThrow(QuerymillError);
  });
});
