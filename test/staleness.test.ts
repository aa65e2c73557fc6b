import { describe, expect, it } from "vitest";
import { mainEndpoint } from "../src/job.ts";
import type { Prompt } from "../src/llm/provider.ts";
import { isSameModel, staleReasons } from "../src/staleness.ts";

describe("a model that answered", () => {
  it.each([
    ["gpt-5-mini", "gpt-5-mini"],
    ["gpt-5-mini-2025-08-07", "gpt-5-mini"],
    ["gpt-4-0613", "gpt-4"],
    ["claude-sonnet-4-20250514", "claude-sonnet-4"],
    ["gemini-1.5-pro-001", "gemini-1.5-pro"],
    ["llama3:latest", "llama3"],
  ])("%s is the %s that was asked for", (answered, asked) => {
    expect(isSameModel(answered, asked)).toBe(true);
  });

  it.each([
    ["gpt-5-mini-2025-08-07", "gpt-5"],
    ["gpt-4.1", "gpt-4"],
    ["claude-sonnet-4-5", "claude-sonnet-4"],
    ["llama-3.1-405b", "llama-3.1"],
    ["gpt-4", "gpt-4-0613"],
    ["qwen3", "my-deployment"],
  ])("%s is another one than %s", (answered, asked) => {
    expect(isSameModel(answered, asked)).toBe(false);
  });
});

it("an answer is stale by what differs, and by what was asked for where the server has another name for it", () => {
  const prompt = { taxonomy: { version: "t-1" }, version: "p-1" } as Prompt;
  const settled = {
    key: "1",
    contentHash: "c",
    taxonomyVersion: "t-1",
    promptVersion: "p-1",
    model: "qwen3",
    requestedModel: "my-deployment",
    decidedBy: "model",
    executionId: "x",
  };
  const endpoints = [mainEndpoint({ provider: "azure", name: "my-deployment", baseUrl: null, apiKey: null })];
  expect(staleReasons(settled, prompt, endpoints)).toEqual([]);
  expect(staleReasons({ ...settled, requestedModel: null }, prompt, endpoints)).toEqual(["model"]);
  expect(staleReasons({ ...settled, promptVersion: "p-0" }, prompt, endpoints)).toEqual(["prompt"]);
  expect(staleReasons({ ...settled, taxonomyVersion: "t-0", promptVersion: "p-0" }, prompt, endpoints)).toEqual([
    "taxonomy",
  ]);
});
