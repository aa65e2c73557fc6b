import { hash32, instanceOf } from "./model-draw.ts";
import { type Answer, CONTENT, type Completion, type FaultName } from "./model-faults.ts";

/** How answers are to look. */
export interface CompletionOptions {
  /** Answers as this model. */
  returnedModel?: string;
  /** What the model answers. @param value the drawn instance of the schema */
  content?: (id: string, attempt: number, value: Record<string, unknown>, text: string) => string;
  /** What it says an answer took. @default by the length of the request, and 70 tokens for the answer */
  usage?: Record<string, unknown> | ((asked: Asked) => Record<string, unknown>);
}

export interface Asked {
  readonly body: Record<string, unknown>;
  readonly id: string;
  readonly attempt: number;
  readonly text: string;
  readonly tokens: number;
}

/** @returns the chat completion for a request: by JSON schema, in JSON mode, or as a tool call, whatever it asks for */
export function complete(options: CompletionOptions, asked: Asked, fault: FaultName | null): Answer {
  const { body, id, attempt, text, tokens } = asked;
  const format = body.response_format as { json_schema?: { schema: Record<string, unknown> } } | undefined;
  const tool = (body.tools as { function: { name: string; parameters: Record<string, unknown> } }[] | undefined)?.[0];
  const schema = format?.json_schema?.schema ?? tool?.function.parameters ?? schemaInText(body);
  const value = instanceOf(schema, id) as Record<string, unknown>;
  const plain: Completion = {
    content: options.content?.(id, attempt, value, text) ?? JSON.stringify(value),
    refusal: null,
    finish: tool ? "tool_calls" : "stop",
    usage: (typeof options.usage === "function" ? options.usage(asked) : options.usage) ?? {
      prompt_tokens: tokens - 70,
      completion_tokens: 70,
      total_tokens: tokens,
    },
  };
  const { content, refusal, finish, usage } =
    fault !== null && fault in CONTENT ? CONTENT[fault as keyof typeof CONTENT](plain) : plain;
  const call = { id: "call_1", type: "function", function: { name: tool?.function.name, arguments: content } };
  const message = tool
    ? { role: "assistant", content: null, tool_calls: [call] }
    : { role: "assistant", content, refusal };
  const reply = {
    id: `chatcmpl-${hash32(id, 9)}`,
    object: "chat.completion",
    created: 0,
    model: options.returnedModel ?? body.model,
    choices: [{ index: 0, message, finish_reason: finish }],
    ...(usage === null ? {} : { usage }),
  };
  return { status: 200, body: JSON.stringify(reply) };
}

/** In JSON mode no schema is sent: fields and labels are read from the prompt's list. */
function schemaInText(body: Record<string, unknown>): Record<string, unknown> {
  const system = (body.messages as { content: string }[])[0]?.content ?? "";
  const properties: Record<string, unknown> = { language: { type: "string" } };
  for (const [, name, rest] of system.matchAll(/^([a-z]\w*): .*\(one of.*\)\n((?:- .*\n?)+)/gm))
    properties[name!] = { type: "string", enum: [...rest!.matchAll(/^- ([a-z0-9_]+)/gm)].map((match) => match[1]) };
  return { type: "object", properties };
}
