import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { hash32, instanceOf } from "./model-draw.ts";
import { type Answer, TRANSPORT } from "./model-faults.ts";
import { type Ending, type Question, type Refusal, type Tokens, WIRES, type WireName } from "./wires.ts";

/** What can go wrong with one call. */
export type WireFault =
  | Answer
  | { readonly refuse: Refusal }
  | { readonly end: Ending }
  | { readonly say: string }
  | "hang"
  | "reset-before"
  | keyof typeof TRANSPORT;

export interface WireServerOptions {
  /** 0 takes a free one. */
  readonly port?: number;
  readonly latencyMs?: number;
  /** Key that must be sent; null: any. */
  readonly apiKey?: string | null;
  /** @param attempt from 1, of this item */
  readonly fail?: (id: string, attempt: number, question: Question) => WireFault | null;
  /** Refuses requests that hold these words, in the words of the provider. */
  readonly refuses?: readonly { readonly holding: string; readonly refuse: Refusal }[];
  /** @default 100 in, 20 of them cached and 30 written, 40 out, 10 of them reasoning */
  readonly tokens?: Tokens;
  /** Of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly redirectTo?: string;
}

export interface WireServer {
  readonly baseUrl: string;
  readonly port: number;
  /** Bodies of calls so far. */
  readonly requests: readonly Readonly<Record<string, unknown>>[];
  /** Headers of calls so far. */
  readonly headers: readonly IncomingHttpHeaders[];
  /** Requests that were no calls, as `GET /path`. */
  readonly others: readonly string[];
  /** Answers produced by item, so paid. */
  readonly paid: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

const TOKENS: Tokens = { input: 100, cached: 20, written: 30, output: 40, reasoning: 10 };

/**
 * A model server that speaks a provider's own protocol over HTTP. An item is known by a mark `[doc:ID]` in its text. It
 * has no model: the answer is an instance of the schema that was asked for, or of the labels in the rules.
 */
export async function startWireServer(name: WireName, options: WireServerOptions = {}): Promise<WireServer> {
  const wire = WIRES[name];
  const requests: Record<string, unknown>[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const others: string[] = [];
  const attempts = new Map<string, number>();
  const paid = new Map<string, number>();
  const { apiKey = null, latencyMs = 0, tokens = TOKENS, refuses = [] } = options;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://server").pathname);
    if (request.method !== "POST" || !wire.isCall(path)) {
      others.push(`${request.method} ${path}`);
      return send(response, { status: 404, body: "{}" });
    }
    const raw = Buffer.concat(chunks).toString("utf8");
    const body = JSON.parse(raw) as Record<string, unknown>;
    headers.push(request.headers);
    requests.push(body);
    if (apiKey !== null) {
      const [header, value] = wire.key(apiKey);
      if (request.headers[header] !== value) return send(response, wire.refusals["invalid key"]);
    }
    const refused = refuses.find(({ holding }) => raw.includes(holding));
    if (refused !== undefined) return send(response, wire.refusals[refused.refuse]);
    const question = wire.read(path, body);
    const id = /\[doc:([^\]]+)\]/.exec(question.text)?.[1] ?? `h${hash32(question.text, 0)}`;
    const attempt = (attempts.get(id) ?? 0) + 1;
    attempts.set(id, attempt);
    const fault = options.fail?.(id, attempt, question) ?? null;
    if (fault === "hang") return;
    if (fault === "reset-before") return void response.socket?.resetAndDestroy();
    if (fault !== null && typeof fault === "object" && "refuse" in fault)
      return send(response, wire.refusals[fault.refuse]);
    if (fault !== null && typeof fault === "object" && "status" in fault) return send(response, fault);
    if (latencyMs > 0) await wait(latencyMs);
    paid.set(id, (paid.get(id) ?? 0) + 1);
    const value = JSON.stringify(instanceOf(question.schema ?? schemaInText(question.rules), id));
    const ending = typeof fault === "object" && fault !== null && "end" in fault ? fault.end : "stop";
    const content = typeof fault === "object" && fault !== null && "say" in fault ? fault.say : value;
    const reply = {
      status: 200,
      body: JSON.stringify(
        wire.answer(question, ending === "length" ? cut(content, question) : content, ending, tokens),
      ),
      headers: options.headers ?? {},
    };
    if (typeof fault === "string") return TRANSPORT[fault](response, reply, options.redirectTo ?? "http://127.0.0.1:1");
    send(response, reply);
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error) =>
      send(response, { status: 400, body: JSON.stringify({ error: String(error) }) }),
    );
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", 4_096, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}${wire.root}`,
    port,
    requests,
    headers,
    others,
    paid,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  if (response.destroyed) return;
  const length = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { ...length, ...headers });
  response.end(body);
}

/** Tools are called with whole objects only. */
function cut(content: string, { tool }: Question): string {
  return tool === null ? content.slice(0, 30) : "{}";
}

function schemaInText(rules: string): Record<string, unknown> {
  const properties: Record<string, unknown> = { language: { type: "string" } };
  for (const [, name, rest] of rules.matchAll(/^([a-z]\w*): .*\(one of.*\)\n((?:- .*\n?)+)/gm))
    properties[name!] = { type: "string", enum: [...rest!.matchAll(/^- ([a-z0-9_]+)/gm)].map((match) => match[1]) };
  return { type: "object", properties };
}
