import { ObjectId } from "bson";
import { expect, test } from "vitest";
import { documentForm, documentOf, importForm } from "../../src/files/documents.ts";
import { textMapping } from "../../src/files/text-column.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import { DEFAULT_FIELDS } from "../../src/stores/mapping.ts";

const row = (values: Record<string, unknown>) => ({ line: 2, row: 1, values });
const fieldsOf = (...columns: string[]) => {
  const document = documentOf(
    row(Object.fromEntries(columns.map((name) => [name, name]))),
    "id",
    documentForm(columns, MARK_FIELDS),
  );
  return Object.entries(document).slice(2);
};
const mappingOf = (columns: readonly string[], column: string | null = null, text: string | null = null) =>
  textMapping("in.csv", columns, documentForm(columns, MARK_FIELDS), {
    column,
    mapping: { text, maxChars: 100 },
    defaults: DEFAULT_FIELDS,
  }).text;

test("columns become fields: a dotted one lies inside, unless that cannot be", () => {
  expect(fieldsOf("id", "ticket.body", "ticket.subject")).toEqual([
    ["id", "id"],
    ["ticket", { body: "ticket.body", subject: "ticket.subject" }],
  ]);
  expect(fieldsOf("a", "a.b", "No.", "{x}")).toEqual([
    ["a", "a"],
    ["a_b", "a.b"],
    ["No_", "No."],
    ["_x_", "{x}"],
  ]);
});

test("names that a store keeps for itself give way, and meet no other column", () => {
  expect(fieldsOf("processed", "_row", "processed_")).toEqual([
    ["processed__", "processed"],
    ["_row_", "_row"],
    ["processed_", "processed_"],
  ]);
  expect(fieldsOf("__proto__", "$set")).toEqual([
    ["_", "__proto__"],
    ["_set", "$set"],
  ]);
});

test("rows with fields of their own keep them and their types; an import keeps marks too", () => {
  const values = { _id: 1, oid: { $oid: "64b000000000000000000001" }, processed: true, nested: { a: [1] } };
  expect(documentOf(row(values), "x", documentForm(null, MARK_FIELDS))).toEqual({
    _id: "x",
    _row: 1,
    oid: new ObjectId("64b000000000000000000001"),
    processed_: true,
    nested: { a: [1] },
  });
  expect(documentOf(row(values), "x", importForm(null, MARK_FIELDS))).toMatchObject({ _id: "x", processed: true });
});

test("the text is where the defaults look, whatever the capitals", () => {
  expect(mappingOf(["id", "text"])).toBeNull();
  expect(mappingOf(["Subject", "Message", "Id"])).toEqual(["Subject", "Message"]);
  expect(mappingOf(["DESCRIPTION"])).toEqual(["DESCRIPTION"]);
  expect(mappingOf(["id", "x"], null, "{x}")).toBe("{x}");
});

test("the text is in the column that was named, exactly or but for capitals", () => {
  expect(mappingOf(["Body", "body", "text"], "Body")).toBe("Body");
  expect(mappingOf(["ticket.body", "text"], "Ticket.Body ")).toBe("ticket.body");
  expect(() => mappingOf(["Body", "body"], "BODY")).toThrow('in.csv: it has no column "BODY". It has: Body, body.');
  expect(() => mappingOf(["id", "x"])).toThrow(/no column of it is known to hold the text/);
});
