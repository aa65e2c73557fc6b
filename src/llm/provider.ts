import type { RateHeaders } from "../rate-limits.ts";
import type { Usage } from "../record.ts";
import type { Taxonomy } from "../taxonomy.ts";

/** A JSON schema object, as sent to a server. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The stable part of every call of a run: built once, sent first, so that provider caches hold it. */
export interface Prompt {
  /** Rules and taxonomy, plain text. */
  readonly system: string;
  /** Flat strict schema of the answer. */
  readonly schema: JsonSchema;
  /** `p-` and 8 hex digits of the SHA-256 of system text and schema. */
  readonly version: string;
  readonly taxonomy: Taxonomy;
}

/** One call. */
export interface ModelRequest {
  readonly prompt: Prompt;
  /** The customer's text: untrusted data, sent in a message of its own. */
  readonly text: string;
  /** Limit of the answer in tokens. */
  readonly maxOutputTokens: number;
  /** Present on a repair call: the answer that was wrong, and what was wrong with it. */
  readonly repair?: { readonly answer: string; readonly problems: readonly string[] };
}

/** An answer that was produced (and so paid for), whether or not it is valid against the taxonomy. */
export interface ModelReply {
  /** The content: JSON text if the model did as told. */
  readonly text: string;
  /** Why the model stopped. `length`: the limit was reached; `content`: refused or filtered. */
  readonly finish: "stop" | "length" | "content";
  /** null when the server sent none or an absurd one: the caller estimates. */
  readonly usage: Usage | null;
  /** The model id the server returned, else the one asked for. */
  readonly model: string;
  readonly latencyMs: number;
  readonly rate: RateHeaders | null;
}

/** Who answers. One instance is one endpoint: one URL with one key. Implementations never retry. */
export interface ModelProvider {
  /** `openai`, `offline`, … */
  readonly provider: string;
  /** The model asked for. */
  readonly model: string;
  /** Name of the endpoint in events and records. */
  readonly endpoint: string;
  /** Printable, without credentials: `openai/gpt-…` or the base URL and the model. */
  readonly label: string;
  /** True when calls leave this machine's process and can cost money. */
  readonly remote: boolean;
  /** How sure the confidence numbers are. */
  readonly confidenceKind: "self-rated" | "offline";
  /** True where input that is read from the prompt cache does not count against the limits of tokens. @default false */
  readonly cachedIsUncounted?: boolean;
  /** Resolves when the endpoint answers at all. Free. @throws QuerymillError MODEL_UNREACHABLE */
  check(signal: AbortSignal): Promise<void>;
  /**
   * One call.
   * @throws ModelError for everything that brought no answer; its class is fixed here, where status and body are seen
   * @throws ModelError `unknown-outcome` when `signal` fired or the deadline passed after sending
   */
  call(request: ModelRequest, signal: AbortSignal): Promise<ModelReply>;
  close(): Promise<void>;
}
