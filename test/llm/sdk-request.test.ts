import { expect, it } from "vitest";
import { makeRequestWriter } from "../../src/llm/sdk-request.ts";
import { prompt, request } from "../support/open-model.ts";

const refusal = (message: string): string => JSON.stringify({ error: { type: "invalid_request_error", message } });
const SCHEMA = refusal("output_config.format: Extra inputs are not permitted");
const TEMPERATURE = refusal("`temperature` is deprecated for this model.");

it("what calls at the same time were refused for is learned together, each once", () => {
  const writer = makeRequestWriter("@ai-sdk/anthropic");
  const { form } = writer.write(request("a"));
  expect([TEMPERATURE, SCHEMA, TEMPERATURE, SCHEMA].map((body) => writer.learn(400, body, form))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  const { options } = writer.write(request("b"));
  expect(options).not.toHaveProperty("temperature");
  expect(options).toMatchObject({ tools: [{ name: "classify", inputSchema: prompt.schema }] });
});

it("a feature that is refused in its last form is no longer learned, nor is any other refusal", () => {
  const writer = makeRequestWriter("@ai-sdk/google");
  for (const format of ["tool", "json", "text"]) {
    expect(writer.learn(400, SCHEMA, writer.write(request("a")).form), format).toBe(true);
  }
  expect(writer.write(request("a")).options).not.toHaveProperty("responseFormat");
  expect(writer.learn(400, SCHEMA, writer.write(request("a")).form)).toBe(false);
  expect(writer.learn(401, TEMPERATURE, writer.write(request("a")).form)).toBe(false);
  expect(writer.learn(400, refusal("prompt is too long for the schema"), writer.write(request("a")).form)).toBe(false);
});
