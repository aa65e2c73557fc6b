import { expect, it } from "vitest";
import type { RunWindow } from "../../src/scheduling/schedule.ts";
import { windowAt } from "../../src/scheduling/window.ts";

const hours = (from: number, to: number, more: Partial<RunWindow> = {}): RunWindow => ({
  fromMinute: from * 60,
  toMinute: to * 60,
  days: null,
  timezone: "UTC",
  ...more,
});
const NIGHT = hours(22, 6);

/** `open until …`, in UTC. */
function at(window: RunWindow, time: string): string {
  const { open, untilMs } = windowAt(window, Date.parse(time));
  return `${open ? "open" : "closed"} until ${new Date(untilMs).toISOString().slice(5, 16)}`;
}

it.each([
  ["2026-11-26T12:00:00Z", "closed until 11-26T22:00"],
  ["2026-11-26T21:59:59Z", "closed until 11-26T22:00"],
  ["2026-11-26T22:00:00Z", "open until 11-27T06:00"],
  ["2026-11-27T03:00:00Z", "open until 11-27T06:00"],
  ["2026-11-27T06:00:00Z", "closed until 11-27T22:00"],
])("22:00-06:00 at %s is %s", (time, expected) => {
  expect(at(NIGHT, time)).toBe(expected);
});

it("within a day, and to its end", () => {
  expect(at(hours(9, 17), "2026-11-26T08:00:00Z")).toBe("closed until 11-26T09:00");
  expect(at(hours(9, 17), "2026-11-26T17:00:00Z")).toBe("closed until 11-27T09:00");
  expect(at(hours(20, 24), "2026-11-26T23:30:00Z")).toBe("open until 11-27T00:00");
});

it("a day is the one on which it opens: Friday's night ends on Saturday", () => {
  const weekdays = hours(22, 6, { days: [1, 2, 3, 4, 5] });
  expect(at(weekdays, "2026-11-28T03:00:00Z")).toBe("open until 11-28T06:00");
  expect(at(weekdays, "2026-11-28T23:00:00Z")).toBe("closed until 11-30T22:00");
  expect(at(hours(22, 6, { days: [0] }), "2026-11-30T07:00:00Z")).toBe("closed until 12-06T22:00");
});

it("days that join are open through midnight", () => {
  expect(at(hours(0, 24, { days: [6, 0] }), "2026-11-28T12:00:00Z")).toBe("open until 11-30T00:00");
});

it.each([
  // Set forward at 02:00, 01:00 UTC: the night is an hour shorter, and an edge that is left out is that moment.
  [hours(22, 6), "Europe/Berlin", "2026-03-28T23:00:00Z", "open until 03-29T04:00"],
  [hours(22, 2.5), "Europe/Berlin", "2026-03-28T23:00:00Z", "open until 03-29T01:00"],
  [hours(2.5, 6), "Europe/Berlin", "2026-03-28T23:00:00Z", "closed until 03-29T01:00"],
  // Set back at 03:00, 01:00 UTC: an edge that is shown twice is the first of the two, and it opens once.
  [hours(22, 6), "Europe/Berlin", "2026-10-24T23:00:00Z", "open until 10-25T05:00"],
  [hours(22, 2.5), "Europe/Berlin", "2026-10-24T23:00:00Z", "open until 10-25T00:30"],
  [hours(22, 2.5), "Europe/Berlin", "2026-10-25T01:15:00Z", "closed until 10-25T21:00"],
  [hours(1.5, 6), "America/New_York", "2026-11-01T04:00:00Z", "closed until 11-01T05:30"],
  [hours(2.25, 6), "Australia/Lord_Howe", "2026-10-03T15:00:00Z", "closed until 10-03T15:30"],
  [hours(22, 1.75), "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "open until 04-04T14:45"],
])("%o in %s where clocks are set, at %s: %s", (window, timezone, time, expected) => {
  expect(at({ ...window, timezone }, time)).toBe(expected);
});
