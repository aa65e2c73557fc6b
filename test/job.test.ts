import { expect, test } from "vitest";
import {
  differingFields,
  type EndpointSettings,
  fingerprintOf,
  type JobSettings,
  type ModelSettings,
  mainEndpoint,
  mappingHash,
  shortHash,
} from "../src/job.ts";
import { NO_REDACTION } from "../src/redaction/kinds.ts";

const model = (provider: string, name: string, baseUrl: string | null = null): ModelSettings => ({
  provider,
  name,
  baseUrl,
  apiKey: null,
});
const OPENAI = model("openai", "small", "https://api.openai.com/v1");

function fingerprint(...endpoints: (ModelSettings | EndpointSettings)[]) {
  const settings = {
    endpoints: endpoints.map((each) => ("fallback" in each ? each : mainEndpoint(each))),
    taxonomy: { version: "t-1" },
    mapping: {},
    redaction: NO_REDACTION,
    mark: {},
  } as unknown as JobSettings;
  return fingerprintOf(settings, "p-1");
}

test("one endpoint is named with its host, several by their models only, each once", () => {
  expect(fingerprint(OPENAI).model).toBe("openai/small at api.openai.com");
  expect(fingerprint(model("offline", "")).model).toBe("offline/");
  const there = model("openai", "small", "https://eu.example/v1");
  expect(fingerprint(there, model("groq", "big"), OPENAI).model).toBe("groq/big, openai/small");
});

test("fallbacks are no part of what makes results comparable", () => {
  const fallback = { ...mainEndpoint(model("offline", "")), name: "rescue", fallback: 1 };
  expect(fingerprint(OPENAI, fallback)).toEqual(fingerprint(OPENAI));
});

test("a job that gets a second endpoint of the same model, or loses it, asks the same model", () => {
  const one = fingerprint(OPENAI);
  const two = fingerprint(OPENAI, model("openai", "small", "https://eu.example/v1"));
  expect(differingFields(one, two)).toEqual([]);
  expect(differingFields(two, one)).toEqual([]);
});

test("another model, or the same one at another host, is a change", () => {
  const one = fingerprint(OPENAI);
  expect(differingFields(one, fingerprint(model("openai", "small", "https://eu.example/v1")))).toEqual(["model"]);
  expect(differingFields(one, fingerprint(OPENAI, model("openai", "big")))).toEqual(["model"]);
  expect(differingFields(one, { ...one, prompt: "p-2" })).toEqual(["prompt"]);
});

test("what is masked is part of the mapping, and a job without redaction is the one it was before", () => {
  const mapping = { text: null, maxChars: 24_000 };
  const of = (redaction: Partial<typeof NO_REDACTION>) =>
    mappingHash({ mapping, redaction: { ...NO_REDACTION, ...redaction } });
  expect(of({})).toBe(shortHash(mapping));
  expect(of({ restore: true })).toBe(of({}));
  expect(new Set([of({}), of({ kinds: ["email"] }), of({ kinds: ["card"] }), of({ hooked: true })]).size).toBe(4);
});
