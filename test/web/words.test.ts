import { describe, expect, it } from "vitest";
import type { Done } from "../../src/dashboard/api.ts";
import { doneWords } from "../../web/done-words.ts";
import { risingLabels, scaleClass } from "../../web/scales.ts";
import { tokenIn, tokenOf } from "../../web/token.ts";
import { sureness, tabTitle } from "../../web/words.ts";

describe("words of the page", () => {
  it("say what a verb did as a person would", () => {
    const done = (verb: string, changes: Done["changes"]): string =>
      doneWords({ verb, state: { from: "running", to: "running" }, changes });
    expect(done("pause", { paused: { from: "no", to: "yes" } })).toBe("Paused: no new calls are made.");
    expect(done("resume", {})).toBe("Goes on.");
    expect(done("set", { budget: { from: null, to: 5 } })).toBe("Changed: budget none → $5.00.");
    expect(done("reload", { concurrency: { from: 5, to: 9 } })).toBe("Changed: concurrency 5 → 9.");
    expect(done("set", {})).toBe("Nothing had to be changed.");
  });

  it("give confidence as a number only where it is calibrated", () => {
    expect(sureness(0.93, "calibrated")).toBe("0.93");
    expect(sureness(0.93, "self-rated")).toBe("sure");
    expect(sureness(0.6, "offline")).toBe("unsure");
    expect(sureness(null, "calibrated")).toBe("–");
    expect(sureness(undefined, null)).toBe("–");
  });

  it("say in the tab what can be seen when it is not in front", () => {
    expect(tabTitle("support-inbox", "64.9 %", 2)).toBe("(2) 64.9 % · support-inbox · Querymill");
    expect(tabTitle("support-inbox", null, 0)).toBe("support-inbox · Querymill");
  });
});

describe("colours of scales", () => {
  it("go from the most negative to the most positive, in whatever number of steps", () => {
    const five = ["very_negative", "negative", "neutral", "positive", "very_positive"];
    expect(five.map((label) => scaleClass("sentiment", five, label))).toEqual([
      "div-1",
      "div-2",
      "div-3",
      "div-4",
      "div-5",
    ]);
    expect(["negative", "neutral", "positive"].map((label, _, all) => scaleClass("sentiment", all, label))).toEqual([
      "div-1",
      "div-3",
      "div-5",
    ]);
    expect(scaleClass("category", five, "negative")).toBeNull();
    expect(scaleClass("sentiment", five, "unknown")).toBeNull();
  });

  it("know urgency from least to most, whichever way it is listed", () => {
    const falling = ["critical", "high", "normal", "low"];
    expect(risingLabels("urgency", falling)).toEqual(["low", "normal", "high", "critical"]);
    expect(scaleClass("urgency", falling, "critical")).toBe("ord-4");
    expect(scaleClass("urgency", ["low", "normal", "high", "critical"], "critical")).toBe("ord-4");
  });
});

describe("a token", () => {
  it("is found in an address and in what somebody pasted", () => {
    expect(tokenOf("#token=a%2Bb")).toBe("a+b");
    expect(tokenOf("#/overview")).toBeNull();
    expect(tokenOf("#token=%")).toBe("%");
    expect(tokenIn("  http://127.0.0.1:7311/#token=abc \n")).toBe("abc");
    expect(tokenIn("abc")).toBe("abc");
  });
});
