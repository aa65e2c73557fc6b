import { readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type LoadedSettings, loadSettings } from "../../src/config/load.ts";
import { QuerymillError } from "../../src/errors.ts";
import { NO_LIMITS } from "../../src/rate-limits.ts";

let cwd = "";
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "querymill-endpoints-"));
});

async function load(
  file: string,
  flags: Record<string, unknown> = {},
  env: Record<string, string> = { OPENAI_API_KEY: "sk-usual-key-0000" },
): Promise<LoadedSettings> {
  await writeFile(join(cwd, "querymill.yaml"), file);
  return await loadSettings({ flags, env, cwd });
}

async function refusal(file: string, flags: Record<string, unknown> = {}): Promise<string> {
  const error = await load(file, flags).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuerymillError);
  return (error as QuerymillError).message;
}

describe("without a list", () => {
  it("there is one, made from --model and --base-url, with the limits of the flags", async () => {
    const { settings } = await load("", { model: "openai/m", rpm: "600", tpm: "90000" });
    expect(settings.endpoints).toMatchObject([
      {
        name: "main",
        model: { provider: "openai", name: "m" },
        weight: 1,
        concurrent: null,
        fallback: 0,
        limits: { ...NO_LIMITS, requestsPerMinute: 600, tokensPerMinute: 90_000 },
      },
    ]);
    expect(settings.model).toEqual(settings.endpoints[0]!.model);
  });
});

describe("a list of endpoints", () => {
  it("gives each its place, model, key, weight and limits; later fallbacks come last", async () => {
    const { settings, notes } = await load(
      `model: openai/gpt-x
balance: weight
hedge: { afterMs: 8000 }
endpoints:
  - { name: spare, model: openai-compatible/small, baseUrl: "http://127.0.0.1:8000/v1", fallback: 1 }
  - { name: eu, keyVariable: KEY_EU, weight: 2, concurrent: 30, limits: { requestsPerMinute: 3000, tokensPerDay: 5000000 } }
  - { name: us, keyVariable: KEY_US }
`,
      {},
      { KEY_EU: "sk-eu-00000000", KEY_US: "sk-us-00000000" },
    );
    expect(settings.endpoints.map(({ name }) => name)).toEqual(["eu", "us", "spare"]);
    expect(settings.endpoints[0]).toMatchObject({
      model: { provider: "openai", name: "gpt-x", apiKey: "sk-eu-00000000" },
      weight: 2,
      concurrent: 30,
      limits: { ...NO_LIMITS, requestsPerMinute: 3_000, tokensPerDay: 5_000_000 },
    });
    expect(settings.endpoints[1]!.model.apiKey).toBe("sk-us-00000000");
    expect(settings.endpoints[2]).toMatchObject({ fallback: 1, model: { name: "small", apiKey: null } });
    expect(settings).toMatchObject({ balance: "weight", hedge: { afterMs: 8_000 }, model: { name: "gpt-x" } });
    expect(notes).toEqual([]);
  });

  it("makes names of its own where none is given, each once", async () => {
    const { settings } = await load(`model: openai/m
endpoints:
  - { baseUrl: "http://10.0.0.1:8000/v1", model: openai-compatible/m }
  - { baseUrl: "http://10.0.0.1:8000/v1", model: openai-compatible/m }
  - {}
`);
    const names = settings.endpoints.map(({ name }) => name);
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
  });

  it("never sends a provider's key to another host", async () => {
    const { settings } = await load(`endpoints:
  - { model: openai/m }
  - { name: other, model: openai/m, baseUrl: "https://gateway.example/v1" }
`);
    expect(settings.endpoints.map(({ model }) => model.apiKey)).toEqual(["sk-usual-key-0000", null]);
  });

  it("mixes protocols, each with the key of its provider; one key for all goes to none of several hosts", async () => {
    const file = `endpoints:
  - { model: openai/m }
  - { model: anthropic/claude-x, fallback: 1 }
  - { model: azure/deployed, fallback: 2 }
`;
    const env = { ANTHROPIC_API_KEY: "sk-ant-00000000", AZURE_API_KEY: "az-00000000", AZURE_RESOURCE_NAME: "shop" };
    const { settings } = await load(file, {}, { OPENAI_API_KEY: "sk-00000000", QUERYMILL_API_KEY: "qm", ...env });
    expect(settings.endpoints.map(({ name, model }) => [name, model.provider, model.apiKey])).toEqual([
      ["openai", "openai", "sk-00000000"],
      ["anthropic", "anthropic", "sk-ant-00000000"],
      ["azure", "azure", "az-00000000"],
    ]);
    await expect(load(file, {}, { QUERYMILL_API_KEY: "qm", AZURE_RESOURCE_NAME: "shop" })).rejects.toThrow(
      /endpoints\[1\].*ANTHROPIC_API_KEY is not set \(QUERYMILL_API_KEY is not used for several hosts\)/,
    );
  });

  it.each([
    [
      "two of one name",
      "endpoints:\n  - {name: a, model: openai/m}\n  - {name: a, model: openai/m}\n",
      /called "a" too/,
    ],
    ["a key in the file", "endpoints:\n  - {model: openai/m, apiKey: sk-secret-000000}\n", /apiKey/],
    ["an unknown setting", "endpoints:\n  - {model: openai/m, wieght: 2}\n", /wieght.*weight/s],
    ["no model at all", "endpoints:\n  - {name: a}\n", /names no model/],
    ["a weight of nothing", "endpoints:\n  - {model: openai/m, weight: 0}\n", /weight/],
    ["fallbacks without anything before them", "endpoints:\n  - {model: openai/m, fallback: 1}\n", /fall back from/],
    ["offline beside a model", "endpoints:\n  - {model: offline}\n  - {model: openai/m}\n", /mixed at random/],
    ["an empty list", "endpoints: []\n", /1 to 100/],
    ["hedging with one endpoint", "hedge: {afterMs: 100}\nendpoints:\n  - {model: openai/m}\n", /only one/],
    ["limits beside a list", "limits: {requestsPerMinute: 5}\nendpoints:\n  - {model: openai/m}\n", /Say it there/],
    ["a variable that is not set", "endpoints:\n  - {model: openai/m, keyVariable: NOT_SET}\n", /NOT_SET/],
  ])("refuses %s, with place and reason, and no key in the words", async (_name, file, words) => {
    const message = await refusal(file);
    expect(message).toMatch(words);
    expect(message).toMatch(/querymill\.yaml/);
    expect(message).not.toContain("sk-secret");
  });

  it("and a base URL for all exclude each other", async () => {
    const message = await refusal("endpoints:\n  - {model: openai/m}\n", { baseUrl: "http://127.0.0.1/v1" });
    expect(message).toMatch(/--base-url .*list of them/);
  });
});

describe("concurrency", () => {
  it("is a number or auto; a ceiling is for auto", async () => {
    expect((await load("", { model: "offline", concurrent: "auto" })).settings).toMatchObject({
      concurrent: "auto",
      concurrentMax: 1_000,
    });
    const auto = { model: "offline", concurrent: "auto", concurrentMax: "64" };
    expect((await load("", auto)).settings.concurrentMax).toBe(64);
    expect(await refusal("", { model: "offline", concurrent: "8", concurrentMax: "64" })).toMatch(/--concurrent-max/);
    expect(await refusal("", { model: "offline", concurrent: "many" })).toMatch(/--concurrent.*auto/);
  });
});

it("every example of the documentation can be read", async () => {
  const pages = ["endpoints", "models"].map((name) =>
    readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8"),
  );
  const examples = pages.flatMap((page) => [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!));
  expect(examples.length).toBeGreaterThanOrEqual(4);
  const keys = ["OPENAI_KEY_EU", "OPENAI_KEY_US", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"];
  const env = Object.fromEntries(keys.map((name) => [name, "sk-00000000"]));
  for (const example of examples) {
    const { settings } = await load(example, {}, env);
    expect(settings.endpoints.length).toBeGreaterThanOrEqual(1);
  }
});
