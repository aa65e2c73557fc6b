import { beforeAll, describe, expect, it } from "vitest";
import * as terminal from "../../src/cli/format.ts";
import * as page from "../../web/format.ts";

const NUMBERS = [0, 1, 9, 0.4, 0.999, 12.34, 999, 1_000, 1_234.5, 9_999, 10_000, 161_057, 1e6, 207_600_000, 1.3e9];
const MS = [0, 340, 999, 1_000, 1_300, 19_999, 20_000, 41_000, 60_000, 252_000, 4_680_000, 86_400_000, 273_600_000];
const DASH = "–";

describe("numbers on the page", () => {
  it("are written as in the terminal", () => {
    for (const value of NUMBERS) {
      expect(page.count(value)).toBe(terminal.count(value));
      expect(page.amount(value)).toBe(terminal.amount(value));
      expect(page.rate(value)).toBe(terminal.rate(value));
      expect(page.money(value / 1_000)).toBe(terminal.money(value / 1_000));
      expect(page.percent(value, 161_057)).toBe(terminal.percent(value, 161_057));
      for (const other of NUMBERS) expect(page.moneyRange(value, other)).toBe(terminal.moneyRange(value, other, DASH));
    }
    expect(page.percent(0, 0)).toBe(terminal.percent(0, 0));
    expect(page.money(null)).toBe(terminal.money(null));
  });

  it("are written as in the terminal when they are times", () => {
    for (const ms of MS) {
      expect(page.duration(ms)).toBe(terminal.duration(ms));
      expect(page.latency(ms)).toBe(terminal.latency(ms, DASH));
      for (const other of MS) expect(page.durationRange(ms, other)).toBe(terminal.durationRange(ms, other, DASH));
    }
    expect(page.latency(null)).toBe(DASH);
  });

  it("are a dash when they are not known, never 0", () => {
    expect(page.count(null)).toBe("–");
    expect(page.money(null)).toBe("?");
  });

  it("tell a change with its sign", () => {
    expect(page.points(0.189, 0.141)).toBe("+4.8");
    expect(page.points(0.1, 0.104)).toBe("−0.4");
    expect(page.points(0.1, 0.1)).toBe("0.0");
    expect(page.change(112, 100)).toBe("+12 %");
    expect(page.change(50, 100)).toBe("−50 %");
    expect(page.change(100, 100)).toBe("±0 %");
    expect(page.change(3, 0)).toBeNull();
  });
});

describe("times on the page", () => {
  const at = Date.UTC(2026, 10, 25, 13, 4, 9);

  it("are those of the terminal in its zone", () => {
    page.setZone(undefined);
    expect(page.clock(at)).toBe(terminal.clock(at));
    const [from, to] = [at + 3_600_000, at + 5_400_000];
    expect(page.momentRange(from, to, at)).toBe(terminal.momentRange(from, to, at, DASH));
    const tomorrow = at + 90_000_000;
    expect(page.momentRange(tomorrow, tomorrow + 60_000, at)).toBe(
      terminal.momentRange(tomorrow, tomorrow + 60_000, at, DASH),
    );
  });

  describe("in the server's zone", () => {
    beforeAll(() => page.setZone("Asia/Kolkata"));

    it("are told by its clock", () => {
      expect(page.clock(at)).toBe("18:34:09");
      expect(page.clockMinute(at)).toBe("18:34");
      expect(page.weekdayMoment(at, at)).toBe("Wed 25 Nov 18:34");
      expect(page.clock(Date.UTC(2026, 10, 25, 18, 30))).toBe("00:00:00");
    });

    it("have their day when it is another one, and their year", () => {
      expect(page.moment(at, at + 60_000)).toBe("18:34:09");
      expect(page.moment(at, at + 86_400_000)).toBe("25 Nov 18:34");
      expect(page.moment(Date.UTC(2025, 8, 1), at)).toBe("1 Sep 2025 05:30");
    });

    it("fall back to the browser's zone when the name is unknown here", () => {
      page.setZone("Nowhere/Land");
      expect(page.clock(at)).toBe(terminal.clock(at));
      page.setZone("Asia/Kolkata");
    });
  });
});
