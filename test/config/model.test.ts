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
  // A name that only looks like an address of this machine.
  const alike = resolve("small", "http://127.example.net/v1", { QUERYMILL_API_KEY: "mine" });
  expect(alike.notes[0]).toContain("unencrypted to 127.example.net");
});

test("the end of the URL that is added anyway is taken off, a query is kept", () => {
  const base = (url: string): string | null => resolve("m", url).settings.baseUrl;
  expect(base("https://h/v1/chat/completions")).toBe("https://h/v1");
  expect(base("https://h/v1/chat/completions?api-version=1")).toBe("https://h/v1?api-version=1");
});

test.each([
  ["opneai/small", null, /no provider is called "opneai"\. Did you mean openai\? Known: openai, ollama.*--base-url/],
  ["small", null, /--model small names no provider.*Write PROVIDER\/small/],
  ["claude-haiku-4-5", null, /Did you mean anthropic\/claude-haiku-4-5\?/],
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

const URLS = { anthropic: "https://api.anthropic.com/v1", google: "https://generativelanguage.googleapis.com/v1beta" };

test.each([
  ["anthropic/claude-x", { ANTHROPIC_API_KEY: "k" }, { baseUrl: URLS.anthropic, apiKey: "k" }],
  ["google/gemini-x", { GOOGLE_GENERATIVE_AI_API_KEY: "k" }, { baseUrl: URLS.google, apiKey: "k" }],
  ["google/gemini-x", { GEMINI_API_KEY: "k" }, { baseUrl: URLS.google, apiKey: "k" }],
  ["google/gemini-x", { QUERYMILL_API_KEY: "k" }, { baseUrl: URLS.google, apiKey: "k" }],
  ["mistral/small", { MISTRAL_API_KEY: "k" }, { baseUrl: "https://api.mistral.ai/v1", apiKey: "k" }],
  ["groq/llama", { GROQ_API_KEY: "k" }, { baseUrl: "https://api.groq.com/openai/v1", apiKey: "k" }],
  ["xai/grok", { XAI_API_KEY: "k" }, { baseUrl: "https://api.x.ai/v1", apiKey: "k" }],
  ["cohere/command", { COHERE_API_KEY: "k" }, { baseUrl: "https://api.cohere.com/v2", apiKey: "k" }],
  ["lmstudio/qwen", {}, { baseUrl: "http://127.0.0.1:1234/v1", apiKey: null }],
  ["vllm/org/qwen", {}, { baseUrl: "http://127.0.0.1:8000/v1", apiKey: null, name: "org/qwen" }],
  [
    "azure/my-gpt",
    { AZURE_API_KEY: "k", AZURE_RESOURCE_NAME: "shop" },
    { baseUrl: null, apiKey: "k", settings: { resourceName: "shop" } },
  ],
  [
    "bedrock/anthropic.claude-x",
    { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "eu-central-1" },
    { apiKey: null, settings: { region: "eu-central-1", accessKeyId: "id", secretAccessKey: "secret" } },
  ],
  [
    "vertex/gemini-x",
    { GOOGLE_VERTEX_PROJECT: "p", GOOGLE_VERTEX_LOCATION: "global" },
    { apiKey: null, settings: { project: "p", location: "global" } },
  ],
  ["@ai-sdk/perplexity/sonar", { PERPLEXITY_API_KEY: "k" }, { provider: "@ai-sdk/perplexity", name: "sonar" }],
  ["@ai-sdk/anthropic/claude-x", { ANTHROPIC_API_KEY: "k" }, { provider: "anthropic", name: "claude-x" }],
] as [string, Record<string, string>, Record<string, unknown>][])("%s with %j", (model, env, expected) => {
  expect(resolve(model, null, env).settings).toMatchObject(expected);
});

test.each([
  [
    "anthropic/claude-x",
    {},
    /neither ANTHROPIC_API_KEY nor QUERYMILL_API_KEY is set.*ANTHROPIC_API_KEY=… querymill run/,
  ],
  ["google/x", {}, /neither GOOGLE_GENERATIVE_AI_API_KEY nor GEMINI_API_KEY nor QUERYMILL_API_KEY is set/],
  ["azure/x", { AZURE_API_KEY: "k" }, /azure\/x needs AZURE_RESOURCE_NAME, which is not set/],
  [
    "bedrock/x",
    { AWS_REGION: "r" },
    /AWS_BEARER_TOKEN_BEDROCK.*or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead/,
  ],
  ["bedrock/x", { AWS_ACCESS_KEY_ID: "i", AWS_SECRET_ACCESS_KEY: "s" }, /needs AWS_REGION or AWS_DEFAULT_REGION/],
  ["vertex/x", { GOOGLE_VERTEX_PROJECT: "p" }, /or GOOGLE_VERTEX_PROJECT and GOOGLE_VERTEX_LOCATION instead/],
  ["@ai-sdk/perplexity/sonar", {}, /neither PERPLEXITY_API_KEY nor QUERYMILL_API_KEY/],
  ["@ai-sdk/../x", {}, /no provider is called "@ai-sdk\/\.\."/],
  ["anthropic/", { ANTHROPIC_API_KEY: "k" }, /names no model\. Write anthropic\/NAME/],
  ["antropic/x", {}, /Did you mean anthropic\?/],
] as [string, Record<string, string>, RegExp][])("%s with %j is refused", (model, env, words) => {
  expect(() => resolve(model, null, env)).toThrow(words);
});

test("a gateway of another host is asked in the named provider's protocol, without the provider's key", () => {
  const env = { ANTHROPIC_API_KEY: "sk-own" };
  const gateway = resolve("anthropic/claude-x", "https://gateway.example/anthropic/v1/messages", env);
  expect(gateway.settings).toEqual({
    provider: "anthropic",
    name: "claude-x",
    baseUrl: "https://gateway.example/anthropic/v1",
    apiKey: null,
  });
  expect(gateway.notes[0]).toMatch(
    /in the protocol of anthropic\. If it calls .*openai-compatible\/anthropic\/claude-x/,
  );
  expect(resolve("anthropic/claude-x", "https://api.anthropic.com/v1/", env).settings.apiKey).toBe("sk-own");
  const azure = { AZURE_API_KEY: "az" };
  expect(resolve("azure/x", "https://shop.openai.azure.com/openai", azure).settings.apiKey).toBe("az");
  expect(resolve("azure/x", "https://azure.com.example/openai", azure).settings.apiKey).toBeNull();
});

test("the host of a known provider decides before the model's name: other companies' models at OpenRouter", () => {
  const env = { OPENROUTER_API_KEY: "or", ANTHROPIC_API_KEY: "sk-own" };
  expect(resolve("anthropic/claude-x", "https://openrouter.ai/api/v1", env)).toEqual({
    settings: {
      provider: "openrouter",
      name: "anthropic/claude-x",
      baseUrl: "https://openrouter.ai/api/v1",
      apiKey: "or",
    },
    notes: [],
  });
});
