import { Long, ObjectId, Timestamp } from "bson";
import { expect, it } from "vitest";
import { quietInMs, timeOf, updatedAtOf } from "../../src/stores/updated-at.ts";

const AT_MS = Date.UTC(2026, 10, 26, 12, 30, 0);
const MINUTE_MS = 60_000;

it.each([
  ["a date", new Date(AT_MS)],
  ["ISO text", "2026-11-26T12:30:00Z"],
  ["ISO text with an offset", "2026-11-26T14:30:00.000+02:00"],
  ["ISO text with an offset without colon", "2026-11-26T14:30:00+0200"],
  ["ISO text without a zone, which is UTC", "2026-11-26T12:30:00"],
  ["the same with a blank", "2026-11-26 12:30:00"],
  ["seconds", AT_MS / 1_000],
  ["milliseconds", AT_MS],
  ["a long", Long.fromNumber(AT_MS)],
  ["a timestamp of the server", new Timestamp({ t: AT_MS / 1_000, i: 1 })],
  ["a list, of which the latest counts", [new Date(0), AT_MS, null]],
])("reads %s as a time", (_, value) => {
  expect(timeOf(value)).toBe(AT_MS);
});

it.each([null, undefined, "yesterday", "12:30", "", Number.NaN, -1, 0, true, {}, [], new Date(Number.NaN)])(
  "takes %o for no time",
  (value) => {
    expect(timeOf(value)).toBeNull();
  },
);

it("finds the time at a path, also the latest of a list's elements", () => {
  expect(updatedAtOf({ meta: { changed: AT_MS } }, "meta.changed")).toBe(AT_MS);
  expect(updatedAtOf({ messages: [{ at: 5 }, { at: new Date(AT_MS) }, {}] }, "messages.at")).toBe(AT_MS);
  expect(updatedAtOf({}, "meta.changed")).toBeNull();
});

it("counts silence from the last change, else from the ObjectId, and believes no time that lies ahead of it", () => {
  const wants = { updatedAt: "changed", quietForMs: 10 * MINUTE_MS };
  const left = (document: object, settings = wants) =>
    quietInMs({ _id: "q1", ...document }, settings, AT_MS) / MINUTE_MS;
  expect(left({ changed: new Date(AT_MS - 4 * MINUTE_MS) })).toBe(6);
  expect(left({ changed: new Date(AT_MS - 11 * MINUTE_MS) })).toBe(0);
  expect(left({ changed: new Date(AT_MS + 2 * MINUTE_MS) })).toBe(12);
  expect(left({ changed: new Date(AT_MS + 11 * MINUTE_MS) })).toBe(0);
  expect(left({})).toBe(0);
  const born = { _id: ObjectId.createFromTime(AT_MS / 1_000 - 60) };
  expect(left(born)).toBe(9);
  expect(left({ ...born, changed: "soon" })).toBe(9);
  expect(left(born, { ...wants, quietForMs: 0 })).toBe(0);
});
