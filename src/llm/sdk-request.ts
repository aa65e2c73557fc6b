import type { LanguageModelV4CallOptions, LanguageModelV4Message, SharedV4ProviderOptions } from "@ai-sdk/provider";
import { repairMessages, userMessage } from "./prompt.ts";
import type { ModelRequest, Prompt } from "./provider.ts";
import { formAfterRefusal } from "./refused-feature.ts";

/** Name of the tool and of the schema that carry the answer. */
export const ANSWER_NAME = "classify";

/**
 * What a model may not take, each with the ways to say it, the preferred one first. Forms only ever move to the right.
 * Without schema and tool the rules of the prompt are all that says how the answer looks.
 */
const FORMS = {
  format: ["schema", "tool", "json", "text"],
  cache: ["marked", "none"],
  thinking: ["least", "default"],
  temperature: ["temperature", "none"],
} as const;
type Feature = keyof typeof FORMS;

/** Which form of each feature a request was made in: indexes into the features' forms. */
export type RequestForm = Readonly<Record<Feature, number>>;

/** Request writer of one model: remembers what was refused, for all later calls. */
export interface RequestWriter {
  write(request: ModelRequest): { readonly options: LanguageModelV4CallOptions; readonly form: RequestForm };
  /**
   * Learns from a refused request (status 400 or 422).
   * @returns true when writing the request again gives another one that may be taken
   */
  learn(status: number, answer: string, form: RequestForm): boolean;
}

/** Providers that cache a prompt only where it is marked: how the end of the stable part is marked. */
const CACHE_MARKS: Readonly<Record<string, SharedV4ProviderOptions>> = {
  "@ai-sdk/anthropic": { anthropic: { cacheControl: { type: "ephemeral" } } },
  "@ai-sdk/amazon-bedrock": { bedrock: { cachePoint: { type: "default" } } },
};
/** Providers whose models think unless told otherwise, which costs more than the answer. */
const THINKING: readonly string[] = ["@ai-sdk/google", "@ai-sdk/google-vertex"];

export function makeRequestWriter(packageName: string): RequestWriter {
  const mark = CACHE_MARKS[packageName];
  let learned: RequestForm = {
    format: 0,
    cache: mark === undefined ? 1 : 0,
    thinking: THINKING.includes(packageName) ? 0 : 1,
    temperature: 0,
  };
  let stable = new WeakMap<Prompt, Omit<LanguageModelV4CallOptions, "prompt"> & { system: LanguageModelV4Message }>();

  return {
    write({ prompt, text, maxOutputTokens, repair }) {
      let fixed = stable.get(prompt);
      if (fixed === undefined) {
        const marked = FORMS.cache[learned.cache] === "marked" && mark !== undefined;
        const system = {
          role: "system",
          content: prompt.system,
          ...(marked ? { providerOptions: mark } : {}),
        } as const;
        fixed = { ...formOptions(prompt, learned), system };
        stable.set(prompt, fixed);
      }
      const { system, ...options } = fixed;
      const turns = repair === undefined ? [] : repairMessages(repair.answer, repair.problems);
      const messages = [{ role: "user" as const, content: userMessage(text) }, ...turns].map(({ role, content }) => ({
        role,
        content: [{ type: "text" as const, text: content }],
      }));
      return { options: { ...options, maxOutputTokens, prompt: [system, ...messages] }, form: learned };
    },

    learn(status, answer, form) {
      const next = formAfterRefusal({ status, answer }, { learned, sent: form }, NAMED_BY, FORMS);
      if (next === null || next === learned) return next !== null;
      learned = next;
      stable = new WeakMap();
      return true;
    },
  };
}

function formOptions(prompt: Prompt, form: RequestForm): Omit<LanguageModelV4CallOptions, "prompt"> {
  const schema = prompt.schema as NonNullable<LanguageModelV4CallOptions["tools"]>[number] extends infer Tool
    ? Extract<Tool, { inputSchema: unknown }>["inputSchema"]
    : never;
  const always: Omit<LanguageModelV4CallOptions, "prompt"> = {
    ...(FORMS.temperature[form.temperature] === "temperature" ? { temperature: 0 } : {}),
    ...(FORMS.thinking[form.thinking] === "least" ? { reasoning: "none" } : {}),
  };
  switch (FORMS.format[form.format]) {
    case "tool":
      return {
        ...always,
        tools: [{ type: "function", name: ANSWER_NAME, inputSchema: schema }],
        toolChoice: { type: "tool", toolName: ANSWER_NAME },
      };
    case "json":
      return { ...always, responseFormat: { type: "json" } };
    case "text":
      return always;
    default:
      return { ...always, responseFormat: { type: "json", schema, name: ANSWER_NAME } };
  }
}

const NAMED_BY: Readonly<Record<Feature, RegExp>> = {
  cache: /cach/,
  thinking: /thinking|reasoning/,
  temperature: /temperature/,
  format:
    /response_?(format|(json_?)?schema|mime)|json[_ ]?(schema|object|mode)|structured[_ ]outputs?|output[_ ]?(config|format)|too many states|schema|grammar|tool/,
};
