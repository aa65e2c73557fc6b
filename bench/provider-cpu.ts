/**
 * CPU of a model call by protocol, at zero latency: ours for OpenAI-compatible servers, and those that packages of the
 * AI SDK speak over the same connections.
 *
 *   node bench/provider-cpu.ts [--calls 4000] [--rounds 5] [--concurrent 50]
 *
 * The server is a process of its own that answers every call with the same bytes. The prompt is that of the default
 * taxonomy; each call has a text of its own of some 200 characters. Medians over rounds in which the protocols take
 * turns.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { DEFAULT_TAXONOMY } from "../src/default-taxonomy.ts";
import { openAiSdk } from "../src/llm/ai-sdk.ts";
import { openOpenAiCompatible } from "../src/llm/openai-compatible.ts";
import { buildPrompt } from "../src/llm/prompt.ts";
import type { ModelProvider } from "../src/llm/provider.ts";

const CONTENT = JSON.stringify({ category: "order_delivery", sentiment: "neutral", urgency: "low", language: "en" });
const ANSWERS: Readonly<Record<string, unknown>> = {
  chat: {
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", content: CONTENT }, finish_reason: "stop" }],
    usage: { prompt_tokens: 900, completion_tokens: 60, total_tokens: 960 },
  },
  messages: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: CONTENT }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 100, cache_read_input_tokens: 800, cache_creation_input_tokens: 0, output_tokens: 60 },
  },
  generateContent: {
    candidates: [{ content: { role: "model", parts: [{ text: CONTENT }] }, finishReason: "STOP", index: 0 }],
    usageMetadata: { promptTokenCount: 900, candidatesTokenCount: 60, totalTokenCount: 960 },
    modelVersion: "m",
  },
};

function serve(): void {
  const bodies = Object.entries(ANSWERS).map(([word, value]) => [word, JSON.stringify(value)] as const);
  const server = createServer((request, response) => {
    const body = bodies.find(([word]) => request.url!.includes(word))?.[1] ?? "{}";
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      response.end(body);
    });
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
}

async function measure(): Promise<void> {
  const number = { type: "string" } as const;
  const { values } = parseArgs({ options: { calls: number, rounds: number, concurrent: number } });
  const [calls, rounds, concurrent] = [values.calls ?? 4_000, values.rounds ?? 5, values.concurrent ?? 50].map(
    Number,
  ) as [number, number, number];
  const child = spawn(process.execPath, [import.meta.filename, "serve"], { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data) => resolve(String(data).trim())),
  );
  const shared = { endpoint: "main", apiKey: "k", connections: concurrent, connectMs: 5_000, attemptMs: 60_000 };
  const sdk = (provider: string, model: string): Promise<ModelProvider> =>
    openAiSdk({
      ...shared,
      provider,
      packageName: `@ai-sdk/${provider}`,
      model,
      baseUrl: `http://127.0.0.1:${port}/v1`,
    });
  const providers: Readonly<Record<string, ModelProvider>> = {
    "openai-compatible": openOpenAiCompatible({
      ...shared,
      provider: "openai-compatible",
      model: "m",
      baseUrl: `http://127.0.0.1:${port}/v1`,
    }),
    anthropic: await sdk("anthropic", "claude-haiku-4-5"),
    google: await sdk("google", "gemini-2.5-flash"),
  };
  const used: Record<string, number[]> = {};
  for (const provider of Object.values(providers)) await cpuOf(provider, 500, concurrent);
  for (let round = 0; round < rounds; round += 1)
    for (const [name, provider] of Object.entries(providers)) {
      used[name] ??= [];
      used[name].push(await cpuOf(provider, calls, concurrent));
    }
  const medians = Object.entries(used).map(([name, list]) => [name, median(list)] as const);
  const own = medians[0]![1];
  for (const [name, us] of medians)
    console.log(`${name.padEnd(20)}${us.toFixed(0).padStart(5)} µs a call  × ${(us / own).toFixed(2)}`);
  for (const provider of Object.values(providers)) await provider.close();
  child.kill();
}

/** @returns µs of CPU, user and system, per call */
async function cpuOf(provider: ModelProvider, calls: number, concurrent: number): Promise<number> {
  const prompt = buildPrompt(DEFAULT_TAXONOMY);
  const forever = new AbortController().signal;
  let next = 0;
  const before = process.cpuUsage();
  const slot = async (): Promise<void> => {
    while (next < calls) {
      next += 1;
      const text = `Order ${next}: ${"my parcel has not arrived, where is it? ".repeat(5)}`;
      const { finish } = await provider.call({ prompt, text, maxOutputTokens: 1_024 }, forever);
      if (finish !== "stop") throw new Error(`${provider.label} answered ${finish}`);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, slot));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
}

if (process.argv[2] === "serve") serve();
else await measure();
