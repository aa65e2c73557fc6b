import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { makeJob } from "../support/job.ts";
import { freePort } from "../support/open-model.ts";
import { serveWire } from "../support/open-sdk.ts";
import type { WireFault } from "../support/wire-server.ts";
import { lastEvent, makeDatabase, makeWorkspace, queries } from "../support/workspace.ts";

const KEY = "canary-key-of-the-gateway";
const env = { QUERYMILL_API_KEY: KEY };
const PRICES = "prices:\n  claude-haiku-4-5: { input: 1, cachedInput: 0.1, cacheWrite: 1.25, output: 5 }\n";

describe("a whole run", () => {
  it("in Anthropic's protocol, with cached and written tokens priced in the summary and in each record", async () => {
    const server = await serveWire("anthropic", { apiKey: KEY });
    const space = makeWorkspace();
    space.write("querymill.yaml", PRICES);
    await space.seed(queries(30));
    const flags = ["--store", "store.db", "--model", "anthropic/claude-haiku-4-5", "--base-url", server.baseUrl];
    const { code, stdout, stderr } = await space.querymill(["run", ...flags, "--budget", "1"], env);
    expect(code, stderr).toBe(0);
    // 50 plain at $1, 20 cached at $0.10, 30 written at $1.25 and 40 out at $5, all per million: 30 times.
    const each = (50 * 1 + 20 * 0.1 + 30 * 1.25 + 40 * 5) / 1e6;
    expect(stdout + stderr).toContain(`$${(30 * each).toFixed(4)}`);
    expect(server.paid.size).toBe(30);
    const store = await openSqliteStore(space.path("store.db"));
    const { documents } = await store.target("sentimental_analysis").readAll(null, 100);
    await store.close();
    expect(documents.find(({ _id }) => _id === "q7")).toMatchObject({
      provider: "anthropic",
      model: "claude-haiku-4-5-20251001",
      confidenceKind: "self-rated",
      usage: { inputTokens: 100, cachedInputTokens: 20, cacheWriteTokens: 30, outputTokens: 40, reasoningTokens: 10 },
      costUsd: expect.closeTo(each, 9),
    });
  });

  it("in Google's protocol, on MongoDB, through refusals and an overloaded model", async () => {
    const faults: readonly WireFault[] = [{ refuse: "overloaded" }, { refuse: "fault" }, { end: "length" }];
    const server = await serveWire("google", {
      apiKey: KEY,
      fail: (id, attempt) => (attempt === 1 ? (faults[Number(id.slice(1)) % 10] ?? null) : null),
    });
    const space = makeWorkspace();
    space.write(
      "querymill.yaml",
      "prices: { gemini-2.5-flash: { input: 0.3, cachedInput: 0.03, output: 2.5 } }\nretry: { baseDelayMs: 5, maxDelayMs: 20 }\n",
    );
    const { uri, client, name } = await makeDatabase();
    await client
      .db(name)
      .collection("conversation_set")
      .insertMany(queries(30) as never[]);
    const flags = ["--store", uri, "--model", "google/gemini-2.5-flash", "--base-url", server.baseUrl, "--json"];
    const { code, stdout, stderr } = await space.querymill(["run", ...flags], env);
    expect(code, stderr).toBe(0);
    const each = (80 * 0.3 + 20 * 0.03 + 40 * 2.5) / 1e6;
    const end = lastEvent(stdout);
    expect(end).toMatchObject({ event: "execution:end", classified: 30, unpricedCalls: 0 });
    // The answers that were cut off were paid for too.
    expect(end.costUsd).toBeCloseTo(33 * each, 9);
    expect(await client.db(name).collection("sentimental_analysis").countDocuments({ provider: "google" })).toBe(30);
  });

  it("goes on with a model of another protocol while the first one fails, and the record says which answered", async () => {
    const other = await serveWire("anthropic", {});
    const job = await makeJob("the embedded store", {
      fail: () => ({ status: 503, body: '{"error":{"message":"overloaded"}}' }),
    });
    const { settings } = job;
    const claude = { provider: "anthropic", name: "claude-haiku-4-5", baseUrl: other.baseUrl, apiKey: "k" };
    const endpoint = { weight: 1, concurrent: null, limits: NO_LIMITS };
    const endpoints = [
      { ...endpoint, name: "first", model: settings.model, fallback: 0 },
      { ...endpoint, name: "spare", model: claude, fallback: 1 },
    ];
    const ids = await job.seed(40);
    const { end } = await job.run({ endpoints });
    expect(end).toMatchObject({ exitCode: 0, classified: 40 });
    expect(await job.counted(ids)).toEqual({ target: 40 });
    for (const record of (await job.records()).values())
      expect(record).toMatchObject({ endpoint: "spare", provider: "anthropic", model: "claude-haiku-4-5-20251001" });
  });
});

describe("before anything is spent", () => {
  it("a missing package is named with what to install, exit 2", async () => {
    const space = makeWorkspace();
    await space.seed(queries(3));
    const args = ["run", "--store", "store.db", "--model", "cohere/command-a"];
    const { code, stderr } = await space.querymill(args, { CO_API_KEY: KEY });
    expect(code).toBe(2);
    expect(stderr).toMatch(/needs the package @ai-sdk\/cohere, which is not installed.*npm i @ai-sdk\/cohere@4/);
    expect(stderr).not.toContain(KEY);
  });

  it("a model server that is not running is named with how to start it, exit 2", async () => {
    const space = makeWorkspace();
    await space.seed(queries(3));
    const url = `http://127.0.0.1:${await freePort()}/v1`;
    const run = (model: string) => space.querymill(["run", "--store", "store.db", "--model", model, "--base-url", url]);
    const [ollama, vllm] = [await run("ollama/llama3.2"), await run("vllm/org/qwen")];
    expect([ollama.code, vllm.code]).toEqual([2, 2]);
    expect(ollama.stderr).toMatch(/nothing listens there.*`ollama serve`.*`ollama pull llama3\.2`/);
    expect(vllm.stderr).toMatch(/`vllm serve org\/qwen`/);
  });

  it("doctor looks at endpoints of several protocols, for nothing", async () => {
    const [claude, gemini] = [await serveWire("anthropic"), await serveWire("google")];
    const space = makeWorkspace();
    await space.seed(queries(3));
    space.write(
      "querymill.yaml",
      `endpoints:
  - { name: claude, model: anthropic/claude-haiku-4-5, baseUrl: "${claude.baseUrl}" }
  - { name: gemini, model: google/gemini-2.5-flash, baseUrl: "${gemini.baseUrl}", fallback: 1 }
`,
    );
    const { code, stdout } = await space.querymill(["doctor", "--store", "store.db"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/✔ Endpoint +claude: anthropic\/claude-haiku-4-5 at .* can be reached/);
    expect(stdout).toMatch(/✔ Endpoint +gemini \(fallback 1\): google\/gemini-2\.5-flash at .* can be reached/);
    expect(claude.requests.length + gemini.requests.length).toBe(0);
    expect(claude.others.length + gemini.others.length).toBe(2);
    const called = await space.querymill(["doctor", "--store", "store.db", "--call"]);
    expect(called.stdout).toMatch(/gemini-2\.5-flash-001 answered .* as the taxonomy asks/);
  });
});

describe("a package in the folder where the command is started", () => {
  const MODEL = `export const createToy = ({ fetch, baseURL, apiKey }) => ({
  languageModel: (modelId) => ({
    specificationVersion: "v4",
    modelId,
    async doGenerate({ prompt }) {
      await LOGIN;
      const [system, ...messages] = prompt;
      const body = JSON.stringify({ model: modelId, system: system.content, messages });
      const response = await fetch(baseURL + "/messages", { method: "POST", headers: { "x-api-key": apiKey }, body });
      const { content, usage, model } = await response.json();
      const [input, output] = [usage.input_tokens, usage.output_tokens];
      return {
        content,
        finishReason: { unified: "stop", raw: "end_turn" },
        usage: { inputTokens: { total: input }, outputTokens: { total: output } },
        response: { modelId: model },
      };
    },
  }),
});
`;
  const install = (folder: string, login: string, version = "v4"): void => {
    const at = join(folder, "node_modules/@ai-sdk/toy");
    mkdirSync(at, { recursive: true });
    writeFileSync(
      join(at, "package.json"),
      '{"name":"@ai-sdk/toy","type":"module","exports":{".":"./index.js","./package.json":"./package.json"}}',
    );
    writeFileSync(join(at, "index.js"), MODEL.replace("LOGIN", login).replace("v4", version));
  };

  it("answers under its own name", async () => {
    const server = await serveWire("anthropic", { apiKey: KEY });
    const space = makeWorkspace();
    install(space.folder, "null");
    await space.seed(queries(5));
    const flags = ["--store", "store.db", "--model", "@ai-sdk/toy/claude-toy", "--base-url", server.baseUrl, "--json"];
    const { code, stdout, stderr } = await space.querymill(["run", ...flags], env);
    expect(code, stderr).toBe(0);
    expect(lastEvent(stdout)).toMatchObject({ classified: 5, unpricedCalls: 5, costUsd: null });
  });

  it("that never gets to a request is given up at the check, exit 2", async () => {
    const space = makeWorkspace();
    install(space.folder, "new Promise((resolve) => setTimeout(resolve, 3_000))");
    space.write("querymill.yaml", "deadlines: { connectMs: 200 }\n");
    await space.seed(queries(5));
    const { code, stderr } = await space.querymill(["run", "--store", "store.db", "--model", "@ai-sdk/toy/m"], {
      TOY_API_KEY: KEY,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/@ai-sdk\/toy could not make a request: .*given up before anything was sent/);
  });

  it("of another version is refused with the one to install, exit 2", async () => {
    const space = makeWorkspace();
    install(space.folder, "null", "v2");
    await space.seed(queries(5));
    const { code, stderr } = await space.querymill(["run", "--store", "store.db", "--model", "@ai-sdk/toy/m"], env);
    expect(code).toBe(2);
    expect(stderr).toMatch(/@ai-sdk\/toy is of a version that Querymill does not speak \(v2\).*npm i @ai-sdk\/toy/);
  });
});

it("the key is in no output and no file, whatever a server of another protocol repeats", async () => {
  const echo = (id: string): string => `${KEY} [doc:${id}] canary-text`;
  const refusals: readonly ((id: string) => WireFault | null)[] = [
    () => null,
    (id) => ({ status: 500, body: JSON.stringify({ type: "error", error: { type: echo(id), message: echo(id) } }) }),
    (id) => ({ status: 413, body: JSON.stringify({ type: "error", error: { type: KEY, message: echo(id) } }) }),
    (id) => ({ status: 200, body: JSON.stringify({ content: echo(id) }) }),
    (id) => ({ status: 200, body: echo(id) }),
    (id) => ({ say: echo(id) }),
    () => ({ end: "refusal" }),
    () => "half-body-reset",
  ];
  const server = await serveWire("anthropic", {
    apiKey: KEY,
    fail: (id) => refusals[Number(id.slice(1)) % refusals.length]!(id),
  });
  const space = makeWorkspace();
  space.write(
    "querymill.yaml",
    "retry: { retries: 1, baseDelayMs: 5, maxDelayMs: 10 }\nbreaker: { share: 1, window: 100 }\n",
  );
  await space.seed(queries(16).map((query) => ({ ...query, text: `${query.text} canary-text` })));
  const flags = ["--store", "store.db", "--model", "anthropic/claude-haiku-4-5", "--base-url", server.baseUrl];
  const said: string[] = [];
  for (const more of [
    ["--json", "--log-level", "debug"],
    ["--log-level", "debug", "--log-file", "run.log"],
  ]) {
    const { stdout, stderr } = await space.querymill(["run", ...flags, "--no-wait", ...more], env);
    said.push(stdout, stderr);
  }
  const doctor = await space.querymill(["doctor", ...flags, "--call"], env);
  said.push(doctor.stdout, doctor.stderr, readFileSync(space.path("run.log"), "utf8"));
  expect(said.join("")).toContain("dead");
  for (const secret of [KEY, "canary-text"]) expect(said.join("\n")).not.toContain(secret);
  const files = readdirSync(space.path("batch_files"), { recursive: true, encoding: "utf8" });
  for (const file of files.map((name) => join(space.path("batch_files"), name)))
    if (lstatSync(file).isFile()) expect(readFileSync(file).includes(KEY), file).toBe(false);
});
