import { describe, expect, it } from "vitest";
import { CronTimes, cronProblem } from "../../src/scheduling/cron.ts";

const NOW = Date.parse("2026-11-26T00:00:00Z");

/** The next times as `day hour:minute` in UTC. */
function times(cron: string, zone: string, from: string, count: number): string[] {
  return new CronTimes(cron, zone)
    .next(count, Date.parse(from))
    .map((ms) => new Date(ms).toISOString().slice(8, 16).replace("T", " "));
}

describe("a time that the clocks leave out", () => {
  it.each([
    ["30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["29 01:00", "30 00:30"]],
    ["30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", ["08 07:00", "09 06:30"]],
    ["15 2 * * *", "Australia/Lord_Howe", "2026-10-03T08:00:00Z", ["03 15:30", "04 15:15"]],
    ["30 2 * * *", "UTC", "2026-03-28T12:00:00Z", ["29 02:30", "30 02:30"]],
    // Two that are left out, and one that is there, at the same moment: one run.
    ["0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["29 01:00", "30 00:00", "30 00:30"]],
    ["*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["29 01:00", "30 00:00"]],
    ["0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["29 01:00", "30 00:00"]],
    ["0 */2 * * *", "Europe/Berlin", "2026-03-28T22:30:00Z", ["28 23:00", "29 01:00", "29 02:00"]],
  ])("%s in %s comes once, when they are set forward", (cron, zone, from, expected) => {
    expect(times(cron, zone, from, expected.length)).toEqual(expected);
  });
});

describe("a time that the clocks show twice", () => {
  it.each([
    ["30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["25 00:30", "26 01:30"]],
    ["30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", ["01 05:30", "02 06:30"]],
    ["45 1 * * *", "Australia/Lord_Howe", "2026-04-04T08:00:00Z", ["04 14:45", "05 15:15"]],
    ["30 2 * * *", "UTC", "2026-10-24T12:00:00Z", ["25 02:30", "26 02:30"]],
    ["0,30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["25 00:00", "25 00:30", "26 01:00"]],
    ["0 2,3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["25 00:00", "25 02:00", "26 01:00"]],
  ])("%s in %s comes the first time only", (cron, zone, from, expected) => {
    expect(times(cron, zone, from, expected.length)).toEqual(expected);
  });

  it("asked in the second of the two hours, it does not come again", () => {
    expect(times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1)).toEqual(["26 01:30"]);
  });
});

it("every hour goes on hour by hour when the clocks are set", () => {
  const hours = ["24 23:00", "25 00:00", "25 01:00", "25 02:00", "25 03:00"];
  expect(times("0 * * * *", "Europe/Berlin", "2026-10-24T22:30:00Z", 5)).toEqual(hours);
  expect(times("@hourly", "Europe/Berlin", "2026-10-24T22:30:00Z", 5)).toEqual(hours);
  expect(times("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2)).toEqual(["29 00:30", "29 01:30"]);
  expect(times("*/30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:20:00Z", 4)).toEqual([
    "04 14:30",
    "04 15:00",
    "04 15:30",
    "04 16:00",
  ]);
});

it.each([
  ["@daily", ["27 00:00", "28 00:00"]],
  ["0 0 L * *", ["30 00:00", "31 00:00"]],
  ["0 9 * * MON#2", ["14 09:00", "11 09:00"]],
  ["0 9 * * 5L", ["27 09:00", "25 09:00"]],
  ["0 9 * jan mon", ["04 09:00", "11 09:00"]],
  ["15 30 2 * * *", ["26 02:30", "27 02:30"]],
  ["0 0 29 2 *", ["29 00:00", "29 00:00"]],
])("%s can be said", (cron, expected) => {
  expect(cronProblem(cron, NOW)).toBeNull();
  expect(times(cron, "UTC", "2026-11-26T00:00:00Z", 2)).toEqual(expected);
});

it.each([
  ["61 * * * *", "Minute cannot be 61."],
  ["30 25 * * *", "Hour cannot be 25."],
  ["30 2 * * 8", "Weekday cannot be 8."],
  ["30 2 * * MONDAY", "MONDAY is no name of a month or a weekday; they have three letters, such as jan or mon."],
  ["0 2 * foo *", "Month cannot be foo; months are 1 to 12, or jan, "],
  ["0 2 * * mon-xyz", "Weekday cannot be mon-xyz; weekdays are 0 to 7 "],
  ["every day", "It has 2 fields; there are five"],
  ["", "It has 0 fields"],
  ["0 0 1 1 * * 2030", "It has 7 fields"],
  ["2026-12-01T10:00:00", "It has 1 field;"],
  ["@nightly", "There is no @nightly. Known are @hourly, @daily"],
  ["@dayly", "There is no @dayly. Did you mean @daily?"],
  ["@reboot", "There is no @reboot."],
  ["0 0 30 2 *", "It never comes"],
  ["*/0 * * * *", "Illegal stepping: 0"],
])("%j is refused: %s", (cron, words) => {
  expect(cronProblem(cron, NOW)).toContain(words);
});
