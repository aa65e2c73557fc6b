import { repairMessages, userMessage } from "./prompt.ts";
import type { ModelRequest, Prompt } from "./provider.ts";
import { formAfterRefusal } from "./refused-feature.ts";

/** Name of the tool and of the schema that carry the answer. */
const ANSWER_NAME = "classify";

/**
 * What a server may not take, each with the ways to say it, the preferred one first. Forms only ever move to the right.
 */
const FORMS = {
  format: ["json_schema", "json_object", "tool"],
  limit: ["max_completion_tokens", "max_tokens"],
  temperature: ["temperature", "none"],
} as const;
type Feature = keyof typeof FORMS;

/** Which form of each feature a body was written in: indexes into the features' forms. */
export type BodyForm = Readonly<Record<Feature, number>>;

/** Body writer of one server: remembers what the server refused, for all later calls. */
export interface BodyWriter {
  write(request: ModelRequest): { readonly body: Buffer; readonly form: BodyForm };
  /**
   * Learns from a refused body (status 400 or 422).
   * @returns true when writing the request again gives another body that may be taken
   */
  learn(status: number, answer: string, form: BodyForm): boolean;
}

/**
 * @param marksCache the server caches a prompt only where it is marked: the end of the rules is
 * @param limitName how the server calls the answer's limit, as far as known: the other name is tried when it refuses it
 */
export function makeBodyWriter(
  model: string,
  limitName: "max_completion_tokens" | "max_tokens",
  marksCache = false,
): BodyWriter {
  const limits = limitName === FORMS.limit[0] ? FORMS.limit : FORMS.limit.toReversed();
  let learned: BodyForm = { format: 0, limit: 0, temperature: 0 };
  // Whatever does not depend on the item is made once per prompt and form.
  let frames = new WeakMap<Prompt, Map<number, Frame>>();

  const frameOf = (prompt: Prompt, maxOutputTokens: number): Frame => {
    let byLimit = frames.get(prompt);
    if (byLimit === undefined) {
      byLimit = new Map();
      frames.set(prompt, byLimit);
    }
    let frame = byLimit.get(maxOutputTokens);
    if (frame === undefined) {
      frame = makeFrame(
        prompt,
        { ...formFields(prompt, learned), [limits[learned.limit]!]: maxOutputTokens },
        model,
        marksCache,
      );
      byLimit.set(maxOutputTokens, frame);
    }
    return frame;
  };

  return {
    write({ prompt, text, maxOutputTokens, repair }) {
      const { head, tail } = frameOf(prompt, maxOutputTokens);
      const turns = repair === undefined ? [] : repairMessages(repair.answer, repair.problems);
      const more = turns.map((turn) => `,${JSON.stringify(turn)}`).join("");
      const turn = `${JSON.stringify(userMessage(text))}}${more}`;
      // The stable part is most of a body: it is copied as bytes, never encoded again.
      const body = Buffer.allocUnsafe(head.length + Buffer.byteLength(turn) + tail.length);
      head.copy(body, 0);
      body.write(turn, head.length);
      tail.copy(body, body.length - tail.length);
      return { body, form: learned };
    },
    learn(status, answer, form) {
      const next = formAfterRefusal({ status, answer }, { learned, sent: form }, NAMED_BY, FORMS);
      if (next === null || next === learned) return next !== null;
      learned = next;
      frames = new WeakMap();
      return true;
    },
  };
}

interface Frame {
  readonly head: Buffer;
  readonly tail: Buffer;
}

function makeFrame(
  prompt: Prompt,
  fields: Readonly<Record<string, unknown>>,
  model: string,
  marksCache: boolean,
): Frame {
  const marked = [{ type: "text", text: prompt.system, cache_control: { type: "ephemeral" } }];
  const system = JSON.stringify({ role: "system", content: marksCache ? marked : prompt.system });
  return {
    head: Buffer.from(`{"model":${JSON.stringify(model)},"messages":[${system},{"role":"user","content":`),
    tail: Buffer.from(`],${JSON.stringify(fields).slice(1)}`),
  };
}

function formFields(prompt: Prompt, form: BodyForm): Record<string, unknown> {
  const temperature = FORMS.temperature[form.temperature] === "temperature" ? { temperature: 0 } : {};
  switch (FORMS.format[form.format]) {
    case "json_object":
      return { ...temperature, response_format: { type: "json_object" } };
    case "tool":
      return {
        ...temperature,
        tools: [{ type: "function", function: { name: ANSWER_NAME, parameters: prompt.schema } }],
        tool_choice: { type: "function", function: { name: ANSWER_NAME } },
      };
    default: {
      const schema = { name: ANSWER_NAME, strict: true, schema: prompt.schema };
      return { ...temperature, response_format: { type: "json_schema", json_schema: schema } };
    }
  }
}

const NAMED_BY: Readonly<Record<Feature, RegExp>> = {
  format: /response[_ ]format|json[_ ]schema|json[_ ]object|structured[_ ]output|guided_|grammar/,
  limit: /max_(completion_)?tokens/,
  temperature: /temperature/,
};
