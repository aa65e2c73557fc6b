import { describe, expect, it } from "vitest";
import { makeBodyWriter } from "../../src/llm/openai-body.ts";
import { buildPrompt } from "../../src/llm/prompt.ts";
import { refusedParameter } from "../support/model-faults.ts";

const prompt = buildPrompt({ name: "x", version: "t-00000000", summary: false, alternatives: false, dimensions: [] });
const request = { prompt, text: "hello", maxOutputTokens: 100 };

describe("a writer of bodies", () => {
  it("is not set back by a late refusal of a form it has left", () => {
    const writer = makeBodyWriter("m", "max_tokens");
    const early = writer.write(request);
    const refusal = '{"error":{"message":"response_format is not supported","param":"response_format"}}';
    expect(writer.learn(400, refusal, early.form)).toBe(true);
    expect(writer.learn(400, refusal, writer.write(request).form)).toBe(true);
    expect(writer.learn(400, refusal, early.form)).toBe(true);
    const { body, form } = writer.write(request);
    expect(JSON.parse(String(body))).toHaveProperty("tools");
    expect(writer.learn(400, refusal, form)).toBe(false);
  });

  it("learns the refused parameter from the words of several servers", () => {
    for (const [status, answer] of [
      [400, refusedParameter({ max_tokens: 1 }, ["max_tokens"])?.body as string],
      [
        422,
        '{"detail":[{"type":"extra_forbidden","loc":["body","max_tokens"],"msg":"Extra inputs are not permitted"}]}',
      ],
      [400, '{"object":"error","message":"[max_tokens] unrecognized","type":"BadRequestError","code":400}'],
    ] as const) {
      const writer = makeBodyWriter("m", "max_tokens");
      expect(writer.learn(status, answer, writer.write(request).form)).toBe(true);
      expect(JSON.parse(String(writer.write(request).body))).toMatchObject({ max_completion_tokens: 100 });
    }
  });

  it("learns nothing from other failures", () => {
    const writer = makeBodyWriter("m", "max_tokens");
    const { form } = writer.write(request);
    const tooLong =
      '{"error":{"message":"maximum context length is 8 tokens, max_tokens 9","code":"context_length_exceeded"}}';
    for (const [status, answer] of [
      [400, tooLong],
      [500, "temperature"],
      [400, ""],
      [401, "response_format"],
    ] as const)
      expect(writer.learn(status, answer, form)).toBe(false);
    expect(JSON.parse(String(writer.write(request).body))).toMatchObject({ temperature: 0, max_tokens: 100 });
  });
});
