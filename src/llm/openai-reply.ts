import type { Usage } from "../record.ts";
import type { ModelReply } from "./provider.ts";

/** Input beyond this many tokens in one call is a counting error. */
const ABSURD_INPUT_TOKENS = 100_000_000;
/** Answers this many times longer than the limit are a counting error. */
const ABSURD_OUTPUT_FACTOR = 10;

export type ReplyContent = Pick<ModelReply, "text" | "finish" | "usage"> & {
  /** The model id the server names; null when it names none. */
  readonly model: string | null;
};

/** A reply, an error that came with status 200, or null when it is neither. */
export type ReadReply = { readonly reply: ReplyContent } | { readonly errorStatus: number } | null;

/** Reads a chat completion: content, tool call or refusal, whichever the server used. */
export function readReply(body: string, maxOutputTokens: number): ReadReply {
  const root = objectOf(parse(body));
  if (root === null) return null;
  const choice = objectOf(Array.isArray(root.choices) ? root.choices[0] : null);
  const message = objectOf(choice?.message);
  const error = objectOf(root.error ?? choice?.error);
  if (error !== null) {
    const code = Number(error.code);
    return { errorStatus: code >= 400 && code <= 599 ? code : 502 };
  }
  if (choice === null || message === null) return null;
  const refusal = message.refusal;
  const refused = typeof refusal === "string" && refusal !== "";
  const text = refused ? refusal : textOf(message);
  const finish = refused ? "content" : finishOf(choice.finish_reason);
  const model = root.model;
  return {
    reply: {
      text,
      finish: finish === "stop" && text.trim() === "" ? "content" : finish,
      usage: readUsage(root.usage, maxOutputTokens),
      model: typeof model === "string" && model !== "" && model.length <= 200 ? model : null,
    },
  };
}

/**
 * @returns null when it is missing or cannot be true: not whole numbers from 0, no input at all, parts larger than the
 * whole, an answer far above its limit
 */
function readUsage(value: unknown, maxOutputTokens: number): Usage | null {
  const usage = objectOf(value);
  if (usage === null) return null;
  const input = objectOf(usage.prompt_tokens_details);
  const output = objectOf(usage.completion_tokens_details);
  const inputTokens = count(usage.prompt_tokens);
  const answerTokens = count(usage.completion_tokens);
  const cachedInputTokens = count(input?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? 0);
  const cacheWriteTokens = count(input?.cache_write_tokens ?? 0);
  const reasoningTokens = count(output?.reasoning_tokens ?? 0);
  if (inputTokens === null || answerTokens === null || cachedInputTokens === null) return null;
  if (cacheWriteTokens === null || reasoningTokens === null) return null;
  // Some servers count reasoning beside the answer instead of in it; their total tells.
  const beside = reasoningTokens > 0 && count(usage.total_tokens) === inputTokens + answerTokens + reasoningTokens;
  const outputTokens = beside ? answerTokens + reasoningTokens : answerTokens;
  const sane =
    inputTokens > 0 &&
    inputTokens < ABSURD_INPUT_TOKENS &&
    cachedInputTokens + cacheWriteTokens <= inputTokens &&
    reasoningTokens <= outputTokens &&
    outputTokens <= ABSURD_OUTPUT_FACTOR * maxOutputTokens;
  return sane ? { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } : null;
}

function textOf(message: Readonly<Record<string, unknown>>): string {
  const content = message.content;
  if (typeof content === "string" && content.trim() !== "") return content;
  const calls = message.tool_calls;
  const call = objectOf(objectOf(Array.isArray(calls) ? calls[0] : null)?.function) ?? objectOf(message.function_call);
  const args = call?.arguments;
  if (args !== undefined && args !== null) return typeof args === "string" ? args : JSON.stringify(args);
  if (!Array.isArray(content)) return "";
  const parts = content.map((part) => objectOf(part)?.text);
  return parts.filter((part) => typeof part === "string").join("");
}

function finishOf(reason: unknown): ModelReply["finish"] {
  switch (reason) {
    case "length":
    case "max_tokens":
    case "model_length":
      return "length";
    case "content_filter":
    case "refusal":
    case "safety":
      return "content";
    default:
      return "stop";
  }
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
