import type { Dispatcher, Pool } from "undici";
import type { ResponseHeaders } from "./rate-headers.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | null;
  /** From sending to the last byte, in ms; waiting for a connection counts for itself. */
  readonly deadlineMs: number;
  /** A longer body is cut off by closing the connection. */
  readonly maxBodyBytes: number;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Empty when the server compressed it. */
  readonly body: string;
  /** From sending to the last byte. */
  readonly latencyMs: number;
}

/** A request without a whole answer. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly kind: "aborted" | "deadline" | "too-large" | "connection";
  /** Of the socket or the HTTP client, e.g. `ECONNREFUSED`; empty when there is none. */
  readonly code: string;
  /** True when any of the request may have reached the server. */
  readonly sent: boolean;
  constructor(kind: ExchangeError["kind"], sent: boolean, cause: unknown = undefined) {
    super(kind, cause === undefined ? {} : { cause });
    this.kind = kind;
    this.sent = sent;
    this.code = codeOf(cause);
  }
}

/**
 * One request and its whole answer over a pool: no redirects, no retries, no decompression, one deadline over headers
 * and body however slowly they drip.
 * @throws ExchangeError
 */
export function exchange(pool: Pool, request: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const exchange = new Exchange(request, resolve, reject);
    if (exchange.settled) return;
    pool.dispatch(
      { path: request.path, method: request.method, headers: request.headers as string[], body: request.body },
      exchange,
    );
  });
}

class Exchange implements Dispatcher.DispatchHandler {
  settled = false;
  readonly #request: HttpRequest;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: ExchangeError) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort: () => void;
  #controller: Dispatcher.DispatchController | null = null;
  #startedAt = 0;
  #status = 0;
  #headers: ResponseHeaders = {};
  #compressed = false;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(request: HttpRequest, resolve: (answer: HttpAnswer) => void, reject: (error: ExchangeError) => void) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onAbort = () => this.#fail("aborted", request.signal.reason);
    this.#timer = setTimeout(() => this.#fail("deadline"), request.deadlineMs);
    if (request.signal.aborted) this.#onAbort();
    else request.signal.addEventListener("abort", this.#onAbort);
  }

  /** Called right before the request is written: from here on it counts as sent. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.settled) {
      controller.abort(new Error("given up before it was sent"));
      return;
    }
    this.#controller = controller;
    this.#startedAt = performance.now();
    this.#timer.refresh();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
    const encoding = headers["content-encoding"];
    this.#compressed = encoding !== undefined && encoding !== "" && encoding !== "identity";
    if (this.#compressed) {
      this.#succeed();
      this.#controller?.abort(new Error("compressed"));
    } else if (Number(headers["content-length"]) > this.#request.maxBodyBytes) this.#fail("too-large");
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.settled) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#request.maxBodyBytes) this.#fail("too-large");
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#succeed();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#fail("connection", error);
  }

  #succeed(): void {
    if (!this.#settle()) return;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      body: bytes.toString("utf8"),
      latencyMs: performance.now() - this.#startedAt,
    });
  }

  #fail(kind: ExchangeError["kind"], cause?: unknown): void {
    if (!this.#settle()) return;
    const error = new ExchangeError(kind, this.#controller !== null, cause);
    this.#controller?.abort(error);
    this.#reject(error);
  }

  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    clearTimeout(this.#timer);
    this.#request.signal.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

/** @returns the code of a socket or HTTP client error, or of what caused it; empty when there is none. Connecting to several addresses fails with an error each. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const { code, errors, cause } = error as { code?: unknown; errors?: unknown; cause?: unknown };
  if (typeof code === "string") return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : codeOf(cause);
}
