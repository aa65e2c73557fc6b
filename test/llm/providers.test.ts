import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MODEL_PROVIDERS, sdkPackageOf, secretSettings } from "../../src/llm/providers.ts";
import { failureOf, forever, freePort, open, request, start } from "../support/open-model.ts";

const page = readFileSync("docs/models.md", "utf8");

describe("the table in docs/models.md", () => {
  const rows = new Map(
    page
      .split("\n")
      .filter((line) => /^\| `[a-z]/.test(line))
      .map((line) => [/`([^`]+)`/.exec(line)![1]!, line]),
  );

  it("has every provider, and no other", () => {
    expect([...rows.keys()].sort()).toEqual([...Object.keys(MODEL_PROVIDERS), "offline"].sort());
  });

  it.each(Object.entries(MODEL_PROVIDERS))("says where %s is, its variables and its package", (name, known) => {
    const row = rows.get(name)!;
    const variables = Object.values(known.settings ?? {}).flatMap(({ variables: [first], required, secret }) =>
      required || secret ? first! : [],
    );
    for (const variable of [known.keyVariable, ...(known.otherKeyVariables ?? []), ...variables])
      if (variable !== null) expect(row).toContain(`\`${variable}\``);
    if (known.baseUrl !== null) expect(row).toContain(`\`${known.baseUrl}\``);
    expect(row).toContain(known.package ?? "| Querymill |");
  });
});

describe("a server people run themselves", () => {
  it.each(["ollama", "vllm", "lmstudio", "llamacpp"])("says how to start %s when nothing listens", async (provider) => {
    const silent = open({ provider, baseUrl: `http://127.0.0.1:${await freePort()}/v1`, model: "qwen" });
    await expect(silent.check(forever)).rejects.toThrow(/nothing listens there.*Start it with `.+`.*--base-url/);
  });

  it.each([
    ["ollama", /has no model "qwen"\. Fetch the model with `ollama pull qwen`.* It has: drawn-1\./],
    ["vllm", /has no model "qwen"\..*`vllm serve qwen`.* It has: drawn-1\./],
  ])("has its list of models looked at before a run: %s", async (provider, words) => {
    const { provider: missing, server } = await start({}, { provider, model: "qwen" });
    await expect(missing.check(forever)).rejects.toThrow(words);
    await open({ provider, model: "drawn-1", baseUrl: server.baseUrl }).check(forever);
    // Others answer to names that they do not list.
    await open({ provider: "llamacpp", model: "qwen", baseUrl: server.baseUrl }).check(forever);
    expect(server.ledger().received).toBe(0);
  });

  it("says how to fetch a model that is not there", async () => {
    const message = 'model "qwen" not found, try pulling it first';
    const fault = { status: 404, body: JSON.stringify({ error: { message, type: "api_error" } }) };
    const { provider } = await start({ fail: () => fault }, { provider: "ollama", model: "qwen" });
    const error = await failureOf(provider.call(request("x"), forever));
    expect(error.failure).toBe("config");
    expect(error.message).toContain("`ollama pull qwen`");
  });
});

it("only providers with a package, or a package's own name, are spoken to by one", () => {
  expect(sdkPackageOf("anthropic")).toBe("@ai-sdk/anthropic");
  expect(sdkPackageOf("@ai-sdk/mistral")).toBe("@ai-sdk/mistral");
  for (const name of ["openai", "mistral", "constructor", "@ai-sdk/../evil", "@other/x"])
    expect(sdkPackageOf(name)).toBeNull();
});

it("secrets among the settings are known as such, regions are not", () => {
  const settings = { region: "eu-central-1", accessKeyId: "id", secretAccessKey: "secret" };
  expect(secretSettings("bedrock", settings)).toEqual(["id", "secret"]);
});
