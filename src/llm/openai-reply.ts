import type { Usage } from "../record.ts";
import type { ModelReply } from "./provider.ts";
import { saneUsage } from "./sane-usage.ts";

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

/** @returns null when it is missing or cannot be true */
function readUsage(value: unknown, maxOutputTokens: number): Usage | null {
  const usage = objectOf(value);
  if (usage === null) return null;
  const input = objectOf(usage.prompt_tokens_details);
  const output = objectOf(usage.completion_tokens_details);
  const counts = {
    inputTokens: usage.prompt_tokens,
    cachedInputTokens: input?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? 0,
    cacheWriteTokens: input?.cache_write_tokens ?? 0,
    outputTokens: usage.completion_tokens,
    reasoningTokens: output?.reasoning_tokens ?? 0,
  };
  // Some servers count reasoning beside the answer instead of in it; their total tells.
  const apart = Number(counts.outputTokens) + Number(counts.reasoningTokens);
  const beside = Number(counts.reasoningTokens) > 0 && usage.total_tokens === Number(counts.inputTokens) + apart;
  return saneUsage(beside ? { ...counts, outputTokens: apart } : counts, maxOutputTokens);
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
