import { expect, test } from "vitest";
import { resolveModel } from "../../src/config/model.ts";
import { MODEL_PROVIDERS } from "../../src/llm/providers.ts";

const resolve = (model: string | null, baseUrl: string | null = null, env: Record<string, string> = {}) =>
  resolveModel({ model, baseUrl, variable: (name) => env[name], providers: MODEL_PROVIDERS });

test("without a model it names the three ways on, however many keys are set", () => {
  expect(() => resolve(null, null, { OPENAI_API_KEY: "sk-1", QUERYMILL_API_KEY: "k" })).toThrow(
    expect.objectContaining({ code: "MODEL_NOT_CHOSEN", message: expect.stringContaining("Three ways on") }),
  );
});

test("a provider's key comes from its variable, QUERYMILL_API_KEY first", () => {
  const key = { OPENAI_API_KEY: "sk-own" };
  expect(resolve("openai/small", null, key).settings).toEqual({
    provider: "openai",
    name: "small",
    baseUrl: "https://api.openai.com/v1",
    apiKey: "sk-own",
  });
  expect(resolve("openai/small", null, { ...key, QUERYMILL_API_KEY: "mine" }).settings.apiKey).toBe("mine");
  expect(resolve("ollama/llama", null, {}).settings.apiKey).toBeNull();
  expect(() => resolve("openai/small")).toThrow(/needs a key, and neither OPENAI_API_KEY nor QUERYMILL_API_KEY is set/);
});

test("behind a base URL the whole name is the model's, unless a provider is named", () => {
  const url = "http://127.0.0.1:8000/v1/";
  const server = { baseUrl: "http://127.0.0.1:8000/v1", apiKey: null };
  expect(resolve("small", url).settings).toEqual({ provider: "openai-compatible", name: "small", ...server });
  expect(resolve("org/small", url).settings).toEqual({ provider: "openai-compatible", name: "org/small", ...server });
  const named = resolve("openai/small", url);
  expect(named.settings).toEqual({ provider: "openai", name: "small", ...server });
  expect(named.notes[0]).toContain("--model openai-compatible/openai/small");
  expect(resolve("openai-compatible/openai/small", url).settings).toMatchObject({
    provider: "openai-compatible",
    name: "openai/small",
  });
});

test("a provider's key is not sent to another host", () => {
  const env = { OPENAI_API_KEY: "sk-own" };
  expect(resolve("openai/small", "https://proxy.example/v1", env).settings.apiKey).toBeNull();
  expect(resolve("openai/small", "https://api.openai.com/v2", env).settings.apiKey).toBe("sk-own");
  const open = resolve("small", "http://proxy.example/v1", { QUERYMILL_API_KEY: "mine" });
  expect(open.settings.apiKey).toBe("mine");
  expect(open.notes[0]).toContain("unencrypted to proxy.example");
});

test("the end of the URL that is added anyway is taken off, a query is kept", () => {
  const base = (url: string): string | null => resolve("m", url).settings.baseUrl;
  expect(base("https://h/v1/chat/completions")).toBe("https://h/v1");
  expect(base("https://h/v1/chat/completions?api-version=1")).toBe("https://h/v1?api-version=1");
});

test.each([
  ["opneai/small", null, /no provider is called "opneai"\. Did you mean openai\? Known: openai, ollama.*--base-url/],
  ["small", null, /--model small names no provider.*Write PROVIDER\/small/],
  ["ofline", null, /Did you mean offline\?/],
  ["openai/", null, /names no model\. Write openai\/NAME/],
  ["__proto__/x", null, /no provider is called "__proto__"/],
  ["offline", "http://127.0.0.1:1/v1", /exclude each other/],
  [null, "http://127.0.0.1:1/v1", /--base-url http:\/\/127\.0\.0\.1:1\/v1 --model NAME/],
])("--model %s with --base-url %s is refused", (model, baseUrl, words) => {
  expect(() => resolve(model, baseUrl)).toThrow(words);
});

test("a key that no header can carry is refused without being shown", () => {
  expect(() => resolve("openai/small", null, { OPENAI_API_KEY: "sk-1\nX: 2" })).toThrow(/^OPENAI_API_KEY holds blanks/);
});
