import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Decimal128, EJSON, Long, ObjectId } from "bson";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keyOf } from "../../src/item.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { bodyOf, documentOf } from "../../src/stores/sqlite-body.ts";
import { SqliteDocuments } from "../../src/stores/sqlite-documents.ts";
import { Statements } from "../../src/stores/sqlite-statements.ts";
import { recordWith } from "../contract/store-contract.ts";

let folder: string;
let files = 0;
const newPath = () => join(folder, `store-${files++}.db`);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "querymill-sqlite-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("opening", () => {
  it("makes the folder and a file that only its owner can read", async () => {
    const path = join(folder, "new", "deeper", "store.db");
    const store = await openSqliteStore(path);
    await store.insert("a", [{ _id: 1 }]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(`${path}-wal`)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "new"))).mode & 0o777).toBe(0o700);
    await store.close();
  });

  it("refuses a file that is no database, and says what to do", async () => {
    const path = newPath();
    await writeFile(path, "id,text\n1,hello\n".repeat(1_000));
    await expect(openSqliteStore(path)).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringMatching(/is not a SQLite database\. Name another file/),
    });
  });

  it("refuses another program's database and leaves it as it is", async () => {
    const path = newPath();
    using database = new DatabaseSync(path);
    database.exec("create table theirs (a)");
    await expect(openSqliteStore(path)).rejects.toMatchObject({
      code: "STORE_REFUSED",
      message: expect.stringContaining("another program"),
    });
    expect(database.prepare("select name from sqlite_schema").all()).toEqual([{ name: "theirs" }]);
  });

  it("refuses a newer format", async () => {
    const path = newPath();
    await (await openSqliteStore(path)).close();
    using database = new DatabaseSync(path);
    database.exec("pragma user_version = 99");
    await expect(openSqliteStore(path)).rejects.toMatchObject({ code: "STATE_NEWER" });
  });

  it("refuses a folder that cannot be made", async () => {
    const path = newPath();
    await writeFile(path, "");
    await expect(openSqliteStore(join(path, "store.db"))).rejects.toMatchObject({ code: "STORE_REFUSED" });
  });
});

it("keeps what was written when it is opened again, and lets two processes' stores see each other", async () => {
  const path = newPath();
  const [first, second] = await Promise.all([openSqliteStore(path), openSqliteStore(path)]);
  await Promise.all(
    [first, second].flatMap((store, at) =>
      Array.from({ length: 20 }, (_, n) =>
        store.target("t").write([{ key: keyOf(`${at}-${n}`), record: recordWith({}) }]),
      ),
    ),
  );
  expect(await first.target("t").count()).toBe(40);
  await Promise.all([first.close(), second.close()]);
  const again = await openSqliteStore(path);
  expect(await again.target("t").count()).toBe(40);
  await again.close();
});

it("is made by several at the same moment as by one", async () => {
  for (let file = 0; file < 20; file += 1) {
    const path = newPath();
    const stores = await Promise.all(Array.from({ length: 4 }, () => openSqliteStore(path)));
    await Promise.all(stores.map((store) => store.close()));
  }
});

it("answers what was asked before closing, and fails plainly after", async () => {
  const store = await openSqliteStore(newPath());
  const written = store.target("t").write([{ key: keyOf(1), record: recordWith({}) }]);
  const closed = store.close();
  expect(await written).toMatchObject([{ status: "written" }]);
  await closed;
  await store.close();
  await expect(store.target("t").count()).rejects.toMatchObject({
    code: "STORE_FAILED",
    message: expect.stringContaining("closed"),
  });
});

it("turns damage in the file into an error of the store", async () => {
  const path = newPath();
  const store = await openSqliteStore(path);
  await store.insert("a", [{ _id: 1 }]);
  using database = new DatabaseSync(path);
  database.exec("drop table documents_1");
  await expect(store.target("a").count()).rejects.toMatchObject({ code: "STORE_FAILED" });
  await store.close();
});

it("reads a page behind 90 % marked documents along the partial index", async () => {
  using database = new DatabaseSync(":memory:");
  const asked: string[] = [];
  class Listening extends Statements {
    override of(sql: string): StatementSync {
      asked.push(sql);
      return super.of(sql);
    }
  }
  const documents = new SqliteDocuments(database, new Listening(database));
  const rows = Array.from({ length: 10_000 }, (_, n) => ({
    key: String(n),
    body: n < 9_000 ? '{"processed":true}' : "{}",
  }));
  documents.insert("a", rows);
  expect(documents.isIndexed("a", MARK_FIELDS)).toBe(false);
  documents.buildIndex("a", MARK_FIELDS);
  expect(documents.isIndexed("a", MARK_FIELDS)).toBe(true);
  const page = await documents.readUnprocessed("a", MARK_FIELDS, null, 0, 1_000);
  expect(page.rows).toHaveLength(1_000);
  const sql = asked.find((one) => one.includes("indexed by"))!;
  const plan = database.prepare(`explain query plan ${sql}`).all(0, 1_000);
  expect(plan.map(({ detail }) => detail)).toEqual([
    expect.stringMatching(/^SEARCH documents_1 USING INDEX unprocessed_/),
  ]);
});

it("refuses names of mark fields that cannot be written in a path", async () => {
  const store = await openSqliteStore(newPath());
  for (const processed of ['a"b', "a\\b", "a..b", ""])
    expect(() =>
      store.source({ collection: "a", mark: { ...MARK_FIELDS, processed }, filter: null, fields: null }),
    ).toThrow(expect.objectContaining({ code: "USAGE" }));
  const mark = { ...MARK_FIELDS, processed: "it's" };
  await store.insert("a", [{ _id: 1 }, { _id: 2, "it's": true }]);
  const source = store.source({ collection: "a", mark, filter: null, fields: null });
  expect((await source.readUnprocessed(null, 5)).documents).toEqual([{ _id: 1 }]);
  await store.close();
});

describe("a stored document", () => {
  it("comes back as it was, whatever it holds", () => {
    const special = fc.oneof(
      fc.date({ noInvalidDate: true }),
      fc.constantFrom(new ObjectId("64b000000000000000000000"), Decimal128.fromString("1.10"), Number.NaN),
      fc.constantFrom("$", '"$oid"', "\u0000", "\ufeff"),
    );
    const anything = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.integer(),
          fc.double({ noNaN: true }).map((n) => n + 0),
          fc.constant(null),
          special,
        ),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(
          fc.string({ unit: "binary" }).filter((key) => !/^\$|\0|^_id$/.test(key)),
          tie("value"),
          {
            noNullPrototype: true,
            maxKeys: 4,
          },
        ),
      ),
    })).value;
    fc.assert(
      fc.property(anything, (value) => {
        expect(documentOf(keyOf(1), bodyOf({ _id: 1, value }))).toEqual({ _id: 1, value });
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });

  it("keeps 64-bit numbers whole on disk, and what only looks like EJSON", () => {
    const body = bodyOf({ big: Long.fromString("9007199254740993"), plain: 5 });
    expect(body).toBe('{"big":{"$numberLong":"9007199254740993"},"plain":5}');
    expect(documentOf("1", bodyOf({ odd: { $oid: "nonsense" } }))).toMatchObject({ odd: { $oid: "nonsense" } });
    expect(EJSON.stringify(documentOf(keyOf(Long.fromNumber(7)), "{}"))).toBe('{"_id":7}');
  });
});
