import type { LanguageModelV4GenerateResult } from "@ai-sdk/provider";
import type { ModelReply } from "./provider.ts";
import { saneUsage } from "./sane-usage.ts";
import { ANSWER_NAME } from "./sdk-request.ts";

/** A reply without what the connection knows of it. */
export type SdkReply = Omit<ModelReply, "latencyMs" | "rate">;

/**
 * What a package of the AI SDK made of an answer, in our terms.
 * @param asked the model asked for
 */
export function readSdkReply(result: LanguageModelV4GenerateResult, asked: string, maxOutputTokens: number): SdkReply {
  const text = textOf(result);
  const finish = finishOf(result.finishReason.unified);
  const { inputTokens, outputTokens } = result.usage;
  return {
    text,
    finish: finish === "stop" && text.trim() === "" ? "content" : finish,
    usage: saneUsage(
      {
        inputTokens: inputTokens.total,
        cachedInputTokens: inputTokens.cacheRead ?? 0,
        cacheWriteTokens: inputTokens.cacheWrite ?? 0,
        outputTokens: outputTokens.total,
        reasoningTokens: outputTokens.reasoning ?? 0,
      },
      maxOutputTokens,
    ),
    model: modelOf(result) ?? asked,
  };
}

function textOf({ content, structuredOutputText }: LanguageModelV4GenerateResult): string {
  if (structuredOutputText !== undefined) return structuredOutputText;
  let text = "";
  for (const part of content) {
    if (part.type === "tool-call" && part.toolName === ANSWER_NAME) return part.input;
    if (part.type === "text") text += part.text;
  }
  return text;
}

function finishOf(reason: LanguageModelV4GenerateResult["finishReason"]["unified"]): ModelReply["finish"] {
  if (reason === "length") return "length";
  return reason === "content-filter" ? "content" : "stop";
}

/** Google's packages leave the id in the body. */
function modelOf({ response }: LanguageModelV4GenerateResult): string | null {
  const body = response?.body as { modelVersion?: unknown } | null | undefined;
  const id = response?.modelId ?? body?.modelVersion;
  return typeof id === "string" && id !== "" && id.length <= 200 ? id : null;
}
