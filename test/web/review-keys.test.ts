import { describe, expect, it } from "vitest";
import { changedFields, reviewAction, reviewKeys, stepped } from "../../web/review-keys.ts";

const labels = (...ids: string[]) => ids.map((id) => ({ id }));
const DIMENSIONS = [
  { id: "category", many: false, labels: labels(...Array.from({ length: 35 }, (_, at) => `label_${at}`)) },
  { id: "sentiment", many: false, labels: labels("very_negative", "negative", "neutral") },
  { id: "urgency", many: false, labels: labels("critical", "high", "normal", "low") },
  { id: "topics", many: true, labels: labels("x", "y") },
];

describe("keys of the review", () => {
  const keys = reviewKeys(DIMENSIONS);

  it("decide a label: digits first, then letters that mean nothing else", () => {
    expect(keys.labels[0]).toEqual({ id: "label_0", key: "1" });
    expect(keys.labels[9]).toEqual({ id: "label_9", key: "a" });
    const used = keys.labels.map(({ key }) => key).filter((key) => key !== null);
    expect(new Set(used).size).toBe(used.length);
    for (const taken of ["g", "k", "s", "z", "?", "/"]) expect(used).not.toContain(taken);
    expect(keys.labels.at(-1)).toEqual({ id: "label_34", key: null });
    expect(reviewAction("a", keys)).toEqual({ kind: "decide", label: "label_9" });
  });

  it("step through scales from least to most", () => {
    expect(reviewAction("]", keys)).toEqual({ kind: "step", dimension: "sentiment", by: 1 });
    expect(reviewAction("-", keys)).toEqual({ kind: "step", dimension: "urgency", by: -1 });
    expect(reviewAction("=", keys)).toEqual({ kind: "step", dimension: "urgency", by: 1 });
    expect(keys.scales[1]!.labels).toEqual(["low", "normal", "high", "critical"]);
    expect(stepped(["low", "normal", "high"], "normal", 1)).toBe("high");
    expect(stepped(["low", "normal", "high"], "high", 1)).toBe("high");
    expect(stepped(["low", "normal", "high"], null, 1)).toBe("normal");
    expect(stepped([], null, 1)).toBeNull();
  });

  it("keep, skip and undo, and leave all others alone", () => {
    expect(reviewAction("Enter", keys)).toEqual({ kind: "keep" });
    expect(reviewAction("s", keys)).toEqual({ kind: "skip" });
    expect(reviewAction("z", keys)).toEqual({ kind: "undo" });
    for (const key of ["g", "?", "/", "Tab", "Escape", "ArrowDown", " "]) expect(reviewAction(key, keys)).toBeNull();
  });

  it("work without a category: what cannot be decided by key has its own controls", () => {
    const few = reviewKeys([DIMENSIONS[1]!, DIMENSIONS[3]!]);
    expect(few.decided).toBeNull();
    expect(few.others.map(({ id }) => id)).toEqual(["topics"]);
    expect(reviewAction("1", few)).toBeNull();
  });
});

describe("a correction", () => {
  const dimensions = [
    { id: "category", field: "category" },
    { id: "topics", field: "labels.topics" },
  ];

  it("names the fields that were changed, as the record names them", () => {
    const before = { category: "billing", topics: ["x"] };
    expect(changedFields(dimensions, before, { category: "refund", topics: ["x"] })).toEqual({ category: "refund" });
    expect(changedFields(dimensions, before, { ...before, topics: ["x", "y"] })).toEqual({
      "labels.topics": ["x", "y"],
    });
    expect(changedFields(dimensions, before, before)).toEqual({});
  });

  it("does not take nothing for a change of nothing", () => {
    expect(changedFields(dimensions, {}, { category: null })).toEqual({});
  });
});
