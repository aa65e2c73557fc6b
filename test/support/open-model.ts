import { createServer } from "node:net";
import { afterEach } from "vitest";
import { ModelError } from "../../src/errors.ts";
import { type OpenAiCompatibleOptions, openOpenAiCompatible } from "../../src/llm/openai-compatible.ts";
import { buildPrompt } from "../../src/llm/prompt.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "../../src/llm/provider.ts";
import type { Taxonomy } from "../../src/taxonomy.ts";
import { type ModelServer, type ModelServerOptions, startModelServer } from "./model-server.ts";

const label = (id: string) => ({ id, description: id, aliases: [], examples: [] });
const taxonomy: Taxonomy = {
  name: "shop",
  version: "t-00000000",
  summary: true,
  alternatives: false,
  dimensions: [
    {
      id: "category",
      description: "what",
      choose: "one",
      required: true,
      labels: [label("billing"), label("shipping")],
    },
  ],
};
/** A small one, for calls whose answer does not matter. */
export const prompt = buildPrompt(taxonomy);
/** A signal that never fires. */
export const forever = new AbortController().signal;
/** Closed after each test of the file that imports this. */
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

export async function serve(options: ModelServerOptions = {}): Promise<ModelServer> {
  const server = await startModelServer(options);
  opened.push(server);
  return server;
}

export function open(options: Partial<OpenAiCompatibleOptions>): ModelProvider {
  const provider = openOpenAiCompatible({
    provider: "openai-compatible",
    model: "drawn-1",
    endpoint: "test",
    baseUrl: "http://127.0.0.1:1/v1",
    apiKey: null,
    connections: 5,
    connectMs: 2_000,
    attemptMs: 10_000,
    ...options,
  });
  opened.push(provider);
  return provider;
}

export async function start(
  options: ModelServerOptions = {},
  rest: Partial<OpenAiCompatibleOptions> = {},
): Promise<{ server: ModelServer; provider: ModelProvider }> {
  const server = await serve(options);
  return { server, provider: open({ baseUrl: server.baseUrl, ...rest }) };
}

export function request(text: string): ModelRequest {
  return { prompt, text, maxOutputTokens: 300 };
}

export async function failureOf(call: Promise<ModelReply>): Promise<ModelError> {
  const error = await call.then(
    (reply) => new Error(`answered ${reply.finish}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ModelError)) throw error;
  return error;
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
