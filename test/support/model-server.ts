import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type CompletionOptions, complete } from "./model-completion.ts";
import { hash32, makeLatency, uniform } from "./model-draw.ts";
import {
  type Answer,
  error,
  type Fault,
  type FaultName,
  REFUSALS,
  type Refusable,
  refusedParameter,
  TRANSPORT,
} from "./model-faults.ts";
import { type LimitOptions, makeLimits } from "./model-limits.ts";

export type { Fault, FaultName } from "./model-faults.ts";

export interface ModelServerOptions extends CompletionOptions, LimitOptions {
  /** 0 takes a free one. */
  port?: number;
  /** `fixed:MS` or `lognormal:MEDIAN:P99`, in ms. @default "fixed:0" */
  latency?: string;
  seed?: number;
  /** Probability per attempt, drawn from seed, item and attempt. */
  faults?: Partial<Record<FaultName, number>>;
  /** Goes before `faults`. A promise holds the answer back until it is settled. @param attempt from 1 */
  fail?: (id: string, attempt: number) => Fault | null | Promise<Fault | null>;
  /** Told of every request with what it counts against limits in tokens, before anything else. */
  arrived?: (tokens: number) => void;
  refuses?: readonly Refusable[];
  /** Key that must be sent; null: any. */
  apiKey?: string | null;
  /** Where the fault `redirect` points. */
  redirectTo?: string;
  /** Serves https. */
  tls?: { key: string; cert: string };
}

/** What one item was asked and paid. */
export interface DocLedger {
  requests: number;
  /** Answers that were produced, whether or not the client was still there. */
  paid: number;
  /** Requests that were repair calls. */
  repairs: number;
}

export interface Ledger {
  received: number;
  /** Answers produced. */
  ok: number;
  docsPaid: number;
  /** Items paid more often than once and once per repair call. */
  docsPaidTwice: number;
  inFlight: number;
  maxInFlight: number;
  /** Mean requests in flight from the first arrival to the last. */
  steadyInFlight: number;
  /** How often each fault was given; statuses of refused requests too. */
  faults: Record<string, number>;
  perDoc: Map<string, DocLedger>;
}

export interface ModelServer {
  /** `http://127.0.0.1:PORT/v1` */
  readonly baseUrl: string;
  readonly port: number;
  ledger(): Ledger;
  /** Bodies of chat requests so far, the last 1,000. */
  requests(): readonly Record<string, unknown>[];
  /** Empties the ledger and changes options. */
  reset(changes?: ModelServerOptions): void;
  close(): Promise<void>;
}

/**
 * A model server that speaks OpenAI's chat completions, with latencies, faults and limits, and keeps a ledger of what
 * each item was paid. An item is known by a mark `[doc:ID]` in its text, else by its text. It has no model: the answer
 * is an instance of the schema that was asked for, drawn from the item.
 */
export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  let state = makeState(options);
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    serve(state, request, response, (changes) => {
      state = makeState({ ...state.options, ...changes });
    }).catch(() => response.destroy());
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", 4_096, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `${options.tls ? "https" : "http"}://127.0.0.1:${port}/v1`,
    port,
    ledger: () => ledgerOf(state),
    requests: () => state.bodies,
    reset(changes = {}) {
      state = makeState({ ...state.options, ...changes });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

type State = ReturnType<typeof makeState>;

function makeState(options: ModelServerOptions) {
  return {
    options,
    latency: makeLatency(options.latency ?? "fixed:0"),
    perDoc: new Map<string, DocLedger>(),
    faults: {} as Record<string, number>,
    bodies: [] as Record<string, unknown>[],
    received: 0,
    ok: 0,
    inFlight: 0,
    maxInFlight: 0,
    firstMs: 0,
    lastMs: 0,
    area: 0,
    areaAtMs: 0,
    steadyArea: 0,
    take: makeLimits(options),
  };
}

async function serve(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
  reset: (changes: ModelServerOptions) => void,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://server");
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const key = state.options.apiKey;
  if (url.pathname === "/ledger") return send(response, { status: 200, body: ledgerJson(state, url) });
  if (url.pathname === "/reset") {
    reset(optionsOf(Object.fromEntries(url.searchParams)));
    return send(response, { status: 200, body: "{}" });
  }
  if (key && request.headers.authorization !== `Bearer ${key}`) return send(response, REFUSALS["401"]);
  if (url.pathname === "/v1/models")
    return send(response, { status: 200, body: '{"object":"list","data":[{"id":"drawn-1","object":"model"}]}' });
  if (url.pathname !== "/v1/chat/completions" || request.method !== "POST")
    return send(response, error(404, `Unknown path ${url.pathname}`, "invalid_request_error", null));
  await chat(state, Buffer.concat(chunks).toString("utf8"), response);
}

async function chat(state: State, raw: string, response: ServerResponse): Promise<void> {
  const body = parseBody(raw);
  if (body === null) return send(response, error(400, "The body is not JSON", "invalid_request_error", null));
  const { options } = state;
  const messages = body.messages as { role: string; content: string }[];
  const text = messages.find(({ role }) => role === "user")?.content ?? "";
  const id = /\[doc:([^\]]+)\]/.exec(text)?.[1] ?? `h${hash32(text, 0)}`;
  const doc = state.perDoc.get(id) ?? { requests: 0, paid: 0, repairs: 0 };
  state.perDoc.set(id, doc);
  doc.requests++;
  if (messages.some(({ role }) => role === "assistant")) doc.repairs++;
  state.bodies.push(body);
  if (state.bodies.length > 1_000) state.bodies.shift();
  const draw = `${options.seed ?? 1}/${id}/${doc.requests}`;

  arrive(state);
  let left = false;
  const leave = (): void => {
    if (left) return;
    left = true;
    move(state, -1);
  };
  response.once("close", leave);

  const tokens = Math.ceil(raw.length / 4) + 70;
  options.arrived?.(tokens);
  const limit = state.take(tokens);
  const refused = limit.refused ?? refusedParameter(body, options.refuses ?? []);
  if (refused !== null) {
    count(state, String(refused.status));
    return send(response, refused);
  }
  const fault = (await options.fail?.(id, doc.requests)) ?? drawFault(draw, options.faults ?? {});
  if (fault !== null) count(state, typeof fault === "string" ? fault : String(fault.status));
  if (fault !== null && typeof fault !== "string") {
    if (fault.status === 200) pay(state, doc);
    return send(response, fault);
  }
  if (fault !== null && fault in REFUSALS) {
    const answer = REFUSALS[fault as keyof typeof REFUSALS];
    const headers = { ...limit.headers, ...(answer.status === 429 ? options.throttleHeaders : {}) };
    return send(response, { ...answer, headers });
  }
  if (fault === "hang") return;
  if (fault === "reset-before") {
    response.socket?.resetAndDestroy();
    return;
  }

  const ms = state.latency(draw);
  if (ms > 0) await wait(ms);
  pay(state, doc);
  leave();
  const answer = {
    ...complete(options, { body, id, attempt: doc.requests, text, tokens }, fault),
    headers: limit.headers,
  };
  if (response.destroyed) return;
  if (fault !== null && fault in TRANSPORT)
    return TRANSPORT[fault as keyof typeof TRANSPORT](response, answer, options.redirectTo ?? "http://127.0.0.1:1/v1");
  send(response, answer);
}

function drawFault(draw: string, faults: Partial<Record<FaultName, number>>): FaultName | null {
  let left = uniform(draw, 5);
  for (const [name, share] of Object.entries(faults)) {
    left -= share;
    if (left < 0) return name as FaultName;
  }
  return null;
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  if (response.destroyed) return;
  const length = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { ...length, ...headers });
  response.end(body);
}

function arrive(state: State): void {
  state.received++;
  move(state, 1);
  state.firstMs ||= state.areaAtMs;
  state.lastMs = state.areaAtMs;
  state.steadyArea = state.area;
  state.maxInFlight = Math.max(state.maxInFlight, state.inFlight);
}

function move(state: State, by: 1 | -1): void {
  const now = performance.now();
  state.area += state.inFlight * (now - state.areaAtMs);
  state.areaAtMs = now;
  state.inFlight += by;
}

function pay(state: State, doc: DocLedger): void {
  state.ok++;
  doc.paid++;
}

function count(state: State, name: string): void {
  state.faults[name] = (state.faults[name] ?? 0) + 1;
}

function ledgerOf(state: State): Ledger {
  const { received, ok, inFlight, maxInFlight, faults, perDoc } = state;
  const docs = [...perDoc.values()];
  return {
    received,
    ok,
    docsPaid: docs.filter(({ paid }) => paid > 0).length,
    docsPaidTwice: docs.filter(({ paid, repairs }) => paid > 1 + repairs).length,
    inFlight,
    maxInFlight,
    steadyInFlight: state.lastMs > state.firstMs ? state.steadyArea / (state.lastMs - state.firstMs) : inFlight,
    faults: { ...faults },
    perDoc: new Map(perDoc),
  };
}

/** `?docs=1` adds what each item was paid. */
function ledgerJson(state: State, url: URL): string {
  const { perDoc, ...totals } = ledgerOf(state);
  return JSON.stringify(url.searchParams.has("docs") ? { ...totals, perDoc: Object.fromEntries(perDoc) } : totals);
}

function parseBody(raw: string): Record<string, unknown> | null {
  try {
    const body = JSON.parse(raw) as Record<string, unknown>;
    return Array.isArray(body.messages) ? body : null;
  } catch {
    return null;
  }
}

/** Options from flags or a query: `faults` as `429=0.02,500=0.01`, `refuses` as a list. */
function optionsOf(given: Readonly<Record<string, string | undefined>>): ModelServerOptions {
  const options: ModelServerOptions = {};
  for (const name of ["port", "seed", "rpm", "tpm"] as const) if (given[name]) options[name] = Number(given[name]);
  for (const name of ["latency", "apiKey", "redirectTo", "returnedModel"] as const)
    if (given[name]) options[name] = given[name];
  if (given.faults !== undefined)
    options.faults = Object.fromEntries(
      given.faults
        .split(",")
        .filter(Boolean)
        .map((each) => [each.split("=")[0], Number(each.split("=")[1])]),
    );
  if (given.refuses !== undefined) options.refuses = given.refuses.split(",").filter(Boolean) as Refusable[];
  if (given.retryAfter !== undefined) options.throttleHeaders = { "retry-after": given.retryAfter };
  return options;
}

if (import.meta.main) {
  const names = ["port", "seed", "rpm", "tpm", "latency", "apiKey", "redirectTo", "returnedModel", "faults", "refuses"];
  const { values } = parseArgs({
    options: Object.fromEntries([...names, "retryAfter"].map((name) => [name, { type: "string" as const }])),
  });
  const server = await startModelServer(optionsOf(values as Record<string, string>));
  console.log(server.port);
  process.once("SIGTERM", () => process.exit(0));
}
