import { afterEach } from "vitest";
import { type AiSdkOptions, openAiSdk } from "../../src/llm/ai-sdk.ts";
import type { ModelProvider } from "../../src/llm/provider.ts";
import { startWireServer, type WireServer, type WireServerOptions } from "./wire-server.ts";
import { WIRES, type WireName } from "./wires.ts";

/** Closed after each test of the file that imports this. */
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

export const WIRE_NAMES = Object.keys(WIRES) as WireName[];

export async function serveWire(name: WireName, options: WireServerOptions = {}): Promise<WireServer> {
  const server = await startWireServer(name, options);
  opened.push(server);
  return server;
}

export async function openSdk(name: WireName, options: Partial<AiSdkOptions> = {}): Promise<ModelProvider> {
  const provider = await openAiSdk({
    provider: name,
    packageName: `@ai-sdk/${name}`,
    model: WIRES[name].model,
    endpoint: "test",
    baseUrl: "http://127.0.0.1:1/v1",
    apiKey: "key-of-the-test",
    connections: 5,
    connectMs: 2_000,
    attemptMs: 10_000,
    ...options,
  });
  opened.push(provider);
  return provider;
}

/** A server of a wire format and a provider that asks it. */
export async function startWire(
  name: WireName,
  options: WireServerOptions = {},
  rest: Partial<AiSdkOptions> = {},
): Promise<{ server: WireServer; provider: ModelProvider }> {
  const server = await serveWire(name, options);
  return { server, provider: await openSdk(name, { baseUrl: server.baseUrl, ...rest }) };
}
