import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTable, type Table, type TableOptions, type TableRow } from "../../src/files/table.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "querymill-table-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function read(path: string, options: Omit<TableOptions, "path"> = {}): Promise<Table & { all: TableRow[] }> {
  const table = await openTable({ path, ...options });
  const all: TableRow[] = [];
  try {
    for await (const row of table.rows()) all.push(row);
  } finally {
    await table.close();
  }
  return { ...table, all };
}

const texts = (all: readonly TableRow[]): unknown[] => all.map(({ values }) => values.text);
/** The message of a refusal, without the folder. */
async function refusal(path: string, options: Omit<TableOptions, "path"> = {}): Promise<string> {
  const error = await read(path, options).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: "FILE_INVALID" });
  return (error.message as string).replaceAll(`${folder}/`, "");
}

describe("a CSV file", () => {
  it("is read with line breaks, delimiters and doubled quotes inside quotes, each row with the line it begins on", async () => {
    const path = await file("a.csv", 'id,text\n1,"x\n""y"", z"\n\n2,"q\r\nw"\r\n3,last');
    const { all, columns, delimiter } = await read(path);
    expect(columns).toEqual(["id", "text"]);
    expect(delimiter).toBe(",");
    expect(all).toEqual([
      { line: 2, row: 1, values: { id: "1", text: 'x\n"y", z' } },
      { line: 5, row: 2, values: { id: "2", text: "q\r\nw" } },
      { line: 7, row: 3, values: { id: "3", text: "last" } },
    ]);
  });

  it.each([
    ["a comma", ",", 'id,text\n1,"a;b;c;d"\n2,e|f\n'],
    ["a semicolon", ";", 'id;text\n1;"a, b, c"\n2;d, e\n'],
    ["a tab", "\t", "id\ttext\n1\ta, b; c\n2\td\n"],
    ["a bar", "|", "id|text\n1|a, b\n2|c\n"],
    ["a comma when there is one column", ",", "text\nno more\nthan this\n"],
    ["what its first line declares", ";", "sep=;\r\nid;text\r\n1;a,b\r\n"],
  ])("tells its delimiter: %s", async (_name, delimiter, content) => {
    expect((await read(await file("a.csv", content))).delimiter).toBe(delimiter);
  });

  it("takes the delimiter it was told", async () => {
    const { columns } = await read(await file("a.csv", "a,b;c\n1,2;3\n"), { delimiter: ";" });
    expect(columns).toEqual(["a,b", "c"]);
  });

  it.each([
    ["UTF-8 with a byte order mark", "utf-8", Buffer.from("\ufeffid,text\n1,Grüße für 5 €\n")],
    ["UTF-16 LE as Excel writes it", "utf-16le", Buffer.from("\ufeffid\ttext\r\n1\tGrüße für 5 €\r\n", "utf16le")],
    ["UTF-16 BE", "utf-16be", Buffer.from("\ufeffid\ttext\r\n1\tGrüße für 5 €\r\n", "utf16le").swap16()],
    ["UTF-16 LE without a mark", "utf-16le", Buffer.from("id\ttext\r\n1\tGrüße für 5 €\r\n", "utf16le")],
    ["windows-1252", "windows-1252", Buffer.from("id;text\n1;Gr\xfc\xdfe f\xfcr 5 \x80\n", "latin1")],
  ])("is read in %s", async (_name, encoding, content) => {
    const table = await read(await file("a.csv", content));
    expect(table.encoding).toBe(encoding);
    expect(table.columns).toEqual(["id", "text"]);
    expect(texts(table.all)).toEqual(["Grüße für 5 €"]);
  });

  it("says when its encoding was guessed, and takes the one it was told", async () => {
    const path = await file("a.csv", Buffer.from("id;text\n1;\xc7a va\n", "latin1"));
    expect((await read(path)).notes).toEqual([expect.stringContaining("windows-1252")]);
    const told = await read(path, { encoding: "iso-8859-5" });
    expect([texts(told.all), told.notes]).toEqual([["Чa va"], []]);
  });

  it("is windows-1252 also when the first special letter comes late, across pieces of reading", async () => {
    const plain = "1;nothing special in this line at all\n".repeat(20_000);
    const { encoding, all } = await read(await file("a.csv", Buffer.from(`id;text\n${plain}2;caf\xe9\n`, "latin1")));
    expect([encoding, all.at(-1)!.values.text, all.at(-1)!.line]).toEqual(["windows-1252", "café", 20_002]);
  });

  it("keeps letters whole that lie across pieces of reading", async () => {
    const rows = Array.from({ length: 60_000 }, (_, at) => `${at},€${"é".repeat(at % 7)}`);
    const { all } = await read(await file("a.csv", `id,text\n${rows.join("\n")}`));
    expect(all.every(({ values }, at) => values.text === `€${"é".repeat(at % 7)}`)).toBe(true);
  });

  it("takes a quote inside a cell without quotes as text", async () => {
    const { all } = await read(await file("a.csv", 'id,text\n1,fine\n2,a 5" screen\n3,"x, ""y"""\n'));
    expect(texts(all)).toEqual(["fine", 'a 5" screen', 'x, "y"']);
    expect(all.map(({ line }) => line)).toEqual([2, 3, 4]);
  });

  it("calls a column without a name by its place, as pandas writes one", async () => {
    expect((await read(await file("a.csv", ",text\n0,a\n"))).columns).toEqual(["column 1", "text"]);
  });

  it("keeps a column named __proto__ a column", async () => {
    const { all } = await read(await file("a.csv", "__proto__,text\nx,a\n"));
    expect(Object.entries(all[0]!.values)).toEqual([
      ["__proto__", "x"],
      ["text", "a"],
    ]);
  });

  it.each([
    [
      "a quote that is not closed",
      'id,text\n1,ok\n2,"abc\n3,d\n',
      /^a.csv: line 3: .* the quote of cell 2 is not closed/,
    ],
    ["a cell that goes on behind its quote", 'id,text\n1,ok\n2,"abc"d\n', /^a.csv: line 3: .* cell 2 goes on behind/],
    ["an unclosed quote among cells with quotes in them", 'id,text\n1,5" x\n2,"abc\n3,"d"\n4,e\n', /^a.csv: line 3: /],
    [
      "one row with too many cells",
      "id,text\n1,ok\n2,a,b\n",
      /^a.csv, line 3: 3 cells, and the header names 2 columns\. /,
    ],
    ["a column named twice", "id,text,text\n1,a,b\n", /line 1 names a column twice: "text" \(columns 2 and 3\)/],
    ["no header", "1,2,3\n4,5,6\n", /line 1 does not name the columns/],
    ["blank lines only", "\n\r\n\n", /only blank lines/],
    ["nothing", "", /it is empty/],
    ["zero bytes", "id,text\n1,\0\0\0\u0001\n", /zero bytes and is no text/],
    ["an Excel workbook", "PK\u0003\u0004…", /Excel workbook \(\.xlsx\).*Save as, CSV UTF-8/],
    ["gzip", Buffer.from("1f8b0800", "hex"), /compressed \(gzip\).*gunzip/],
  ])("is refused for %s", async (_name, content, message) => {
    expect(await refusal(await file("a.csv", content))).toMatch(message);
  });

  it("is refused with the first broken rows and their count, after the good rows in front", async () => {
    const table = await openTable({ path: await file("a.csv", `id,text\n1,ok\n2\n3,ok\n${"4,a,b\n".repeat(9)}`) });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { row } of table.rows()) seen.push(row);
    })();
    await expect(reading).rejects.toThrow(
      /: 10 rows cannot be read:\n {2}line 3: 1 cell, .*\n {2}line 5: .*\n {2}line 6: .*\n {2}line 7: .*\n {2}line 8: .*\n {2}and 5 more\nQuote cells/,
    );
    expect(seen).toEqual([1]);
    await table.close();
  });

  it("is refused at the line of a damaged letter when the rest is UTF-8", async () => {
    const content = Buffer.concat([Buffer.from(`id,text\n${"1,Grüße\n".repeat(20)}2,`), Buffer.from([0xe9, 0x20])]);
    expect(await refusal(await file("a.csv", content))).toMatch(/^a.csv: line 22: the byte 0xE9 is not UTF-8/);
  });

  it("counts a line break once that lies across pieces of reading", async () => {
    const first = `id,text\r\n1,${"é".repeat((256 * 1024 - 12) / 2)}`;
    const content = Buffer.concat([Buffer.from(`${first}\r\n2,`), Buffer.from([0xe9, 0x20])]);
    expect(content[256 * 1024 - 1]).toBe(13);
    expect(await refusal(await file("a.csv", content))).toMatch(/^a.csv: line 3: the byte 0xE9/);
  });

  it("is refused for a row that is too long, which is an unclosed quote", async () => {
    const path = await file("a.csv", `id,text\n1,"${"2,more\n".repeat(2_500_000)}`);
    expect(await refusal(path)).toMatch(/line 2: the row that begins here is longer than 16 MB/);
  });

  it("is refused with an encoding that is none", async () => {
    expect(await refusal(await file("a.csv", "id\n"), { encoding: "utf8mb4" })).toMatch(/"utf8mb4" is no encoding/);
  });
});

describe("a JSONL file", () => {
  it("is read with any values, blank lines passed by", async () => {
    const { all, columns } = await read(await file("a.jsonl", '\ufeff{"a":1}\n\n{"b":[1,{"c":null}]}\r\n{"d":"ü"}'));
    expect(columns).toBeNull();
    expect(all).toEqual([
      { line: 1, row: 1, values: { a: 1 } },
      { line: 3, row: 2, values: { b: [1, { c: null }] } },
      { line: 4, row: 3, values: { d: "ü" } },
    ]);
  });

  it("is recognised without an ending", async () => {
    expect((await read(await file("export", ' {"text":"a"}\n'))).format).toBe("jsonl");
    expect((await read(await file("export", '"text","b {"\n1,2\n'))).format).toBe("csv");
  });

  it("is refused with each broken line and no text of it", async () => {
    const path = await file("a.jsonl", '{"a":1}\n{"a":"secret",}\n[1]\n3\n{"a":"secret\n');
    const message = await refusal(path);
    expect(message).toMatch(
      /^a.jsonl: 4 rows cannot be read:\n {2}line 2(, column 15)?: broken JSON\n {2}line 3: a list, not an object\n {2}line 4: a number, not an object\n {2}line 5, column 13: the JSON ends too early\n/,
    );
    expect(message).not.toContain("secret");
  });

  it.each([
    ["a list", '[{"a":1}]\n', /begins a list.*jq -c '\.\[\]' /],
    ["an object over several lines", '{\n "a": 1\n}\n', /an object over several lines.*jq -c '\.' /],
    ["blank lines only", " \n\n", /only blank lines/],
    ["a line that is too long", `{"a":"${"x".repeat(17_000_000)}"}\n{"a":1}\n`, /line 1: longer than 16 MB/],
  ])("is refused for %s", async (_name, content, message) => {
    expect(await refusal(await file("a.jsonl", content))).toMatch(message);
  });
});

describe("a Parquet file", () => {
  it("is read in its own types as JSON has them", async () => {
    const bytes = parquetWriteBuffer({
      columnData: [
        { name: "id", data: [1n, 2n ** 60n, 3n], type: "INT64" },
        { name: "text", data: ["a", null, "ü"], type: "STRING" },
        { name: "at", data: [new Date(0), new Date(1_000), new Date(2_000)], type: "TIMESTAMP" },
      ],
    });
    const { all, columns } = await read(await file("a.parquet", new Uint8Array(bytes)));
    expect(columns).toEqual(["id", "text", "at"]);
    expect(all.map(({ values }) => values)).toEqual([
      { id: 1, text: "a", at: "1970-01-01T00:00:00.000Z" },
      { id: String(2n ** 60n), text: null, at: "1970-01-01T00:00:01.000Z" },
      { id: 3, text: "ü", at: "1970-01-01T00:00:02.000Z" },
    ]);
  });

  it("is refused when it is none, or cut off", async () => {
    expect(await refusal(await file("a.parquet", "id,text\n"))).toMatch(/does not begin as a Parquet file/);
    expect(await refusal(await file("b.parquet", "PAR1 and then nothing"))).toMatch(/damaged or not whole/);
  });
});

describe("a place without a file", () => {
  it("is named for what it is", async () => {
    await mkdir(join(folder, "data"));
    expect(await refusal(join(folder, "nothing.csv"))).toMatch(/^nothing.csv: there is no such file/);
    expect(await refusal(join(folder, "data"))).toMatch(/^data: it is a folder/);
  });
});

describe("stdin", () => {
  const program = `
    const { openTable } = await import(${JSON.stringify(pathToFileURL("src/files/table.ts").href)});
    const table = await openTable({ path: "-" });
    const rows = [];
    for (let pass = 0; pass < 2; pass += 1) for await (const { values } of table.rows()) rows.push(values.text);
    console.log(JSON.stringify(rows));`;
  const run = (input: string) =>
    execFileSync(process.execPath, ["--input-type=module", "-e", program], { input, encoding: "utf8", stdio: "pipe" });

  it("is read as a file is, also twice", () => {
    expect(run("id;text\n1;ä\n2;b\n")).toBe('["ä","b","ä","b"]\n');
  });

  it("is refused by its name", () => {
    expect(() => run("")).toThrow(/stdin: it is empty/);
  });
});
