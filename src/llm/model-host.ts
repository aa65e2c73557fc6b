import { Pool } from "undici";
import { QuerymillError } from "../errors.ts";
import { brokenCall, unreachable } from "./call-errors.ts";
import { ExchangeError, exchange, type HttpAnswer } from "./http-exchange.ts";

export interface ModelHostOptions {
  /** Most connections; calls beyond them wait for one. At least the number of slots. */
  readonly connections: number;
  /** To connect, in ms. */
  readonly connectMs: number;
  /** From sending to the last byte, in ms. */
  readonly attemptMs: number;
  /** A longer answer is cut off and counts as malformed. @default 4 MiB */
  readonly maxBodyBytes?: number;
  /** Keys, taken out of whatever is sent back: a gateway may repeat one in an error, and bodies are kept on disk. */
  readonly secrets: readonly string[];
}

/** The way to one model server: its connections, and what goes wrong on them in our classes. */
export interface ModelHost {
  /**
   * Sends one request and reads the whole answer, whatever its status.
   * @param headers names and values in turn
   * @throws ModelError when there was no whole answer
   */
  post(url: URL, headers: readonly string[], body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer>;
  /**
   * Resolves when the server answers a GET, with whatever status.
   * @returns the answer, null when it was too long to be read
   * @param advice what to do when it does not, for people
   * @throws QuerymillError MODEL_UNREACHABLE
   */
  reach(url: URL, headers: readonly string[], signal: AbortSignal, advice: string): Promise<HttpAnswer | null>;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 4 * 1_024 * 1_024;
const CHECK_MS = 5_000;
/** A shorter key is a dummy, and part of other words. */
const SHORTEST_SECRET = 12;

/** Nothing is sent before the first call. */
export function openModelHost(options: ModelHostOptions): ModelHost {
  const pools = new Map<string, Pool>();
  const limits = { deadlineMs: options.attemptMs, maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES };
  const secrets = options.secrets.filter(({ length }) => length >= SHORTEST_SECRET);

  const poolOf = ({ origin }: URL): Pool => {
    let pool = pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, {
        connections: options.connections,
        pipelining: 1,
        allowH2: false,
        connect: { timeout: options.connectMs },
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      pools.set(origin, pool);
    }
    return pool;
  };
  const withoutSecrets = (answer: HttpAnswer): HttpAnswer => {
    let { body } = answer;
    for (const secret of secrets) if (body.includes(secret)) body = body.replaceAll(secret, "***");
    return body === answer.body ? answer : { ...answer, body };
  };

  return {
    async post(url, headers, body, signal) {
      const path = url.pathname + url.search;
      try {
        return withoutSecrets(await exchange(poolOf(url), { method: "POST", path, headers, body, signal, ...limits }));
      } catch (error) {
        throw error instanceof ExchangeError ? brokenCall(error, url.host, limits) : error;
      }
    },

    async reach(url, headers, signal, advice) {
      const request = { method: "GET", path: url.pathname + url.search, headers, body: null, signal } as const;
      try {
        return await exchange(poolOf(url), { ...request, ...limits, deadlineMs: CHECK_MS });
      } catch (error) {
        if (!(error instanceof ExchangeError)) throw error;
        if (error.kind !== "too-large") throw unreachable(error, url.host, advice, CHECK_MS);
        return null;
      }
    },

    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

/** @throws QuerymillError CONFIG_INVALID */
export function checkKey(apiKey: string | null): void {
  if (apiKey === null || /^[\x21-\x7e]+$/.test(apiKey)) return;
  throw new QuerymillError(
    "CONFIG_INVALID",
    "The API key holds spaces or characters that a header cannot carry. Copy it again, without quotes or line ends.",
  );
}

/** @throws QuerymillError CONFIG_INVALID */
export function parseBaseUrl(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new QuerymillError(
    "CONFIG_INVALID",
    "The base URL is not an http or https address, so no model can be asked there. Give it like https://host/v1.",
  );
}
