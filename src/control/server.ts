import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { StateIdentity } from "../state/identity.ts";
import { OwnerLock } from "../state/owner.ts";
import { type Commanded, obey, refusalOf } from "./commands.ts";
import { addressesOf, controlFolder, makeOwnFolder, recordPath, writeRecord } from "./place.ts";
import { BY_HEADER, CONTROL_VERSION, MOST_BODY_BYTES, type Status, VERBS, type Verb } from "./protocol.ts";

export interface ControlServerOptions extends Commanded {
  /** Of the job: where it is written down how to reach the process. */
  readonly jobFolder: string;
  readonly identity: StateIdentity;
  /** Told of what is a bug. */
  readonly onBug: (error: unknown) => void;
}

export interface ControlServer {
  readonly address: string;
  close(): Promise<void>;
}

/** A request has to be whole after so long, in ms; one peer cannot hold the others up. */
const REQUEST_MS = 5_000;
const MOST_PEERS = 16;
/** How long the last answers may take at the end, in ms. */
const CLOSE_MS = 500;

/**
 * Answers on a socket of this user: `GET /v1/status` and `POST /v1/VERB`, in JSON. Whoever holds the lock beside the
 * socket is the only one of the job, so a socket that is there already was left by a process that died.
 * @throws QuerymillError JOB_HELD when another process answers for the job; whatever else keeps it from being opened
 */
export async function openControl(options: ControlServerOptions): Promise<ControlServer> {
  const { jobFolder, identity } = options;
  const since = new Date().toISOString();
  const me = { pid: process.pid, host: hostname(), since };
  makeOwnFolder(controlFolder(jobFolder));
  const lock = OwnerLock.take(controlFolder(jobFolder), { ...me, executionId: "control" }, identity.job);
  try {
    const server = createServer(
      {
        maxHeaderSize: 8_192,
        headersTimeout: REQUEST_MS,
        requestTimeout: REQUEST_MS,
        connectionsCheckingInterval: 1_000,
        keepAlive: false,
      },
      (request, response) => {
        answer(request, response, options, since).catch((error: unknown) => {
          options.onBug(error);
          response.destroy();
        });
      },
    );
    server.maxConnections = MOST_PEERS;
    const address = await listenAnywhere(server, addressesOf(jobFolder));
    server.on("error", options.onBug);
    // What lives beside a run does not keep the process alive.
    server.unref();
    writeRecord(jobFolder, { ...identity, ...me, address, version: CONTROL_VERSION });
    return {
      address,
      close: async () => {
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
        await new Promise<void>((resolve) => server.close(() => resolve()));
        clearTimeout(cut);
        for (const path of [recordPath(jobFolder), address]) rmSync(path, { force: true });
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** @returns the first address that works */
async function listenAnywhere(server: Server, addresses: readonly string[]): Promise<string> {
  let failure: unknown = null;
  for (const address of addresses) {
    try {
      if (process.platform !== "win32") {
        makeOwnFolder(dirname(address));
        rmSync(address, { force: true });
      }
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(address, () => {
          server.off("error", reject);
          resolve();
        });
      });
      if (process.platform !== "win32") chmodSync(address, 0o600);
      return address;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ControlServerOptions,
  since: string,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://control");
  const [, version = "", name = ""] = pathname.split("/");
  if (version !== `v${CONTROL_VERSION}`)
    return refuse(
      response,
      404,
      "USAGE",
      `This process speaks version ${CONTROL_VERSION}: /v${CONTROL_VERSION}/status.`,
    );
  if (name === "status" && request.method === "GET") {
    const { identity, execution } = options;
    const status: Status = {
      job: identity.job,
      pid: process.pid,
      host: hostname(),
      since,
      version: CONTROL_VERSION,
      snapshot: execution.snapshot(),
    };
    return send(response, 200, status);
  }
  if (!Object.hasOwn(VERBS, name))
    return refuse(
      response,
      404,
      "USAGE",
      `There is no ${pathname}. There are: status, ${Object.keys(VERBS).join(", ")}.`,
    );
  if (request.method !== "POST") return refuse(response, 405, "USAGE", `${pathname} takes POST only.`);
  const text = await bodyOf(request);
  if (text === null)
    return refuse(response, 413, "USAGE", `A request has at most ${MOST_BODY_BYTES} bytes.`, { connection: "close" });
  let body: unknown;
  try {
    body = text === "" ? {} : JSON.parse(text);
  } catch {
    return refuse(response, 400, "USAGE", "The request is no JSON.");
  }
  try {
    send(response, 200, await obey(name as Verb, body, byOf(request), options));
  } catch (error) {
    const { code, message } = refusalOf(error);
    if (!(error instanceof QuerymillError)) options.onBug(error);
    refuse(response, error instanceof QuerymillError ? 400 : 500, code, message);
  }
}

/** @returns null when it is too long */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > MOST_BODY_BYTES) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Printable and short: it goes to a terminal and a log. */
function byOf({ headers }: IncomingMessage): string | null {
  const said = headers[BY_HEADER];
  if (typeof said !== "string") return null;
  return said.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100) || null;
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, status, { error: { code, message } }, headers);
}

function send(
  response: ServerResponse,
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(`${JSON.stringify(value)}\n`);
}
