import { Long, ObjectId, UUID } from "bson";
import fc from "fast-check";
import { MongoClient } from "mongodb";
import { describe, expect, inject, it } from "vitest";
import { matches, parseFilter } from "../src/filter.ts";

describe("a filter", () => {
  it("passes with every allowed operator, and resolves EJSON", () => {
    const filter = {
      $and: [{ a: { $gt: 1, $lte: 5 } }, { $or: [{ b: null }, { "c.d": { $exists: true } }] }],
      $nor: [{ e: { $in: ["x", 1, null] } }, { e: { $nin: [] } }],
      at: { $gte: { $date: "2026-01-01T00:00:00Z" }, $lt: new Date(5) },
      owner: { $oid: "64b000000000000000000000" },
      ticket: { $eq: { $uuid: "3b241101-e2bb-4255-8caf-4136c566a962" } },
      big: { $ne: { $numberLong: "5" } },
    };
    expect(parseFilter(filter)).toEqual({
      ...filter,
      at: { $gte: new Date("2026-01-01T00:00:00Z"), $lt: new Date(5) },
      owner: new ObjectId("64b000000000000000000000"),
      ticket: { $eq: new UUID("3b241101-e2bb-4255-8caf-4136c566a962") },
      big: { $ne: 5 },
    });
  });

  it.each([
    [{ $where: "sleep(1000)" }, "$where"],
    [{ a: { $regex: "x" } }, "$regex"],
    [{ a: /x/ }, "$regex"],
    [{ $expr: { $function: {} } }, "$expr"],
    [{ a: { $gt: 1, $function: {} } }, "$function"],
    [{ $and: [{ a: { $elemMatch: { b: 1 } } }] }, "$elemMatch"],
  ])(
    "refuses an operator that is not on the list (%#) and names the operator and what is allowed",
    (filter, operator) => {
      expect(() => parseFilter(filter)).toThrow(
        expect.objectContaining({ code: "USAGE", message: expect.stringContaining(`${operator} is not allowed`) }),
      );
      expect(() => parseFilter(filter)).toThrow(/Allowed: \$eq, \$ne/);
    },
  );

  it.each([
    ["text"],
    [null],
    [[]],
    [{ a: { b: 1 } }],
    [{ a: { $gt: 1, b: 2 } }],
    [{ a: {} }],
    [{ a: [1] }],
    [{ a: Number.NaN }],
    [{ a: undefined }],
    [{ a: { $in: "x" } }],
    [{ a: { $in: [[1]] } }],
    [{ a: { $exists: 1 } }],
    [{ a: { $gt: { x: 1 } } }],
    [{ "a..b": 1 }],
    [{ "": 1 }],
    [{ $and: [] }],
    [{ $or: { a: 1 } }],
    [{ a: { $oid: "nonsense" } }],
    [nested(30)],
  ])("refuses what is no filter (%#) as a mistake in usage", (filter) => {
    expect(() => parseFilter(filter)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  it("takes a field named __proto__ as a field", () => {
    const filter = parseFilter(JSON.parse('{"__proto__": 1}'));
    expect(Object.keys(filter)).toEqual(["__proto__"]);
    expect(matches(filter, {})).toBe(false);
    expect(matches(filter, JSON.parse('{"__proto__": 1}'))).toBe(true);
  });

  it("decides as MongoDB does, over documents with lists, nested parts and mixed types", async () => {
    await using client = await new MongoClient(inject("mongoStandaloneUri")).connect();
    const collection = client.db(`filter_${process.pid}`).collection("documents");
    const documents = fc
      .sample(anyDocument, { seed: 7, numRuns: 400 })
      .map((document, at) => ({ ...document, _id: at }));
    await collection.insertMany(documents as never[]);
    const stored = await collection.find().sort({ _id: 1 }).toArray();
    try {
      await fc.assert(
        fc.asyncProperty(anyFilter, async (value) => {
          const filter = parseFilter(value);
          const found = await collection.find(filter, { projection: { _id: 1 }, sort: { _id: 1 } }).toArray();
          const ours = stored.filter((document) => matches(filter, document)).map(({ _id }) => _id);
          expect(ours).toEqual(found.map(({ _id }) => _id));
        }),
        { seed: 7, numRuns: 500 },
      );
    } finally {
      await client.db(`filter_${process.pid}`).dropDatabase();
    }
  });
});

function nested(depth: number): unknown {
  return depth === 0 ? { a: 1 } : { $and: [nested(depth - 1)] };
}

const anyScalar = fc.oneof(
  fc.constantFrom(0, 1, 2, 1.5, -1, "", "a", "b", "1", "\ud83d\ude00", "\uffff", true, false, null),
  fc.constantFrom(new Date(0), new Date(1), new ObjectId("64b000000000000000000000"), Long.fromNumber(2)),
);
const anyPart = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 3 },
    { weight: 4, arbitrary: anyScalar },
    { weight: 1, arbitrary: fc.array(tie("value"), { maxLength: 3 }) },
    { weight: 2, arbitrary: tie("document") },
  ),
  document: fc.dictionary(fc.constantFrom("a", "b", "0"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
}));
const anyDocument = anyPart.document as fc.Arbitrary<Record<string, unknown>>;
const anyPath = fc.constantFrom("a", "b", "a.b", "a.a", "b.a", "a.0", "a.b.a", "a.0.b", "0");
const anyCondition = fc.oneof(
  anyScalar,
  ...["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"].map((operator) => anyScalar.map((value) => ({ [operator]: value }))),
  ...["$in", "$nin"].map((operator) => fc.array(anyScalar, { maxLength: 3 }).map((list) => ({ [operator]: list }))),
  fc.boolean().map((value) => ({ $exists: value })),
);
const anyClause = fc.tuple(anyPath, anyCondition).map(([path, condition]) => ({ [path]: condition }));
const anyFilter = fc.oneof(
  { weight: 3, arbitrary: anyClause },
  ...["$and", "$or", "$nor"].map((operator) => ({
    weight: 1,
    arbitrary: fc.array(anyClause, { minLength: 1, maxLength: 3 }).map((list) => ({ [operator]: list })),
  })),
);
