import fc from "fast-check";
import { expect, test } from "vitest";
import * as f from "../../src/cli/format.ts";

test("counts have thousands commas", () => {
  expect([0, 999, 1_000, 161_057, 1_904_882].map(f.count)).toEqual(["0", "999", "1,000", "161,057", "1,904,882"]);
});

test("money has cents, four decimals below one cent, and is never 0 for unknown", () => {
  expect([0, 0.0031, 0.42, 1234.5, null].map(f.money)).toEqual(["$0.00", "$0.0031", "$0.42", "$1,234.50", "?"]);
  expect(f.moneyRange(219.4, 230.2, "–")).toBe("$219 – 230");
  expect(f.moneyRange(1.421, 1.499, "–")).toBe("$1.42 – 1.50");
  expect(f.moneyRange(1.421, 1.4211, "–")).toBe("$1.42");
});

test("durations take the two largest units", () => {
  const seconds = [0, 41, 60, 252, 4_680, 86_400 * 3 + 3_600 * 4];
  expect(seconds.map((s) => f.duration(s * 1_000))).toEqual([
    "0 s",
    "41 s",
    "1 min",
    "4 min 12 s",
    "1 h 18 min",
    "3 d 4 h",
  ]);
  expect(f.durationRange(29 * 60_000, 40 * 60_000, "–")).toBe("29 – 40 min");
  expect(f.durationRange(1.5 * 3_600_000, 2.4 * 3_600_000, "–")).toBe("1.5 – 2.4 h");
  expect(f.durationRange(8_000, 8_200, "–")).toBe("8 s");
});

test("latencies, tokens, rates and shares have one decimal", () => {
  expect([null, 340, 1_340, 41_000].map((ms) => f.latency(ms, "–"))).toEqual(["–", "340 ms", "1.3 s", "41 s"]);
  expect([812, 45_210, 207_600_000].map(f.amount)).toEqual(["812", "45.2 k", "207.6 M"]);
  expect([0, 0.25, 45.21, 13_500].map(f.rate)).toEqual(["0.0", "0.25", "45.2", "13,500"]);
  expect(f.percent(161_057, 248_310)).toBe("64.9 %");
});

test("100 % is only said when all is done", () => {
  expect(f.percent(999_999, 1_000_000)).toBe("99.9 %");
  expect(f.percent(5, 5)).toBe("100.0 %");
});

test("a day is named when a moment is not of today", () => {
  const now = new Date(2026, 10, 23, 13, 0).getTime();
  expect(f.momentRange(now + 60_000, now + 120_000, now, "–")).toBe("13:01 – 13:02");
  expect(f.momentRange(now, now + 86_400_000, now, "–")).toBe("23 Nov 13:00 – 24 Nov 13:00");
});

test("bars are drawn in eighths, with a sliver for anything above zero", () => {
  expect([0, 0.0001, 0.5, 0.5625, 1].map((share) => f.bar(share, 2, false))).toEqual(["", "▏", "█", "█▏", "██"]);
  expect(f.bar(0.5, 4, true)).toBe("##");
});

test("cuts by cells, not by characters", () => {
  expect(f.clip("配送が遅い", 6, false)).toBe("配送…");
  expect(f.widthOf("e\u0301")).toBe(1);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.nat({ max: 30 }), (text, width) => {
      expect(f.widthOf(f.clip(f.printable(text), width, false))).toBeLessThanOrEqual(width);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("text from outside loses escape sequences, line ends and direction marks", () => {
  expect(f.printable("a\u001b[31mb\r\nc\u202ed\u0007")).toBe("ab cd ");
});
