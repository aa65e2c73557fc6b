import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../src/config/load.ts";
import { canMakeTerminals, startOnTerminal, type TerminalRun } from "../support/terminal-run.ts";
import { makeDatabase, makeWorkspace, type Workspace } from "../support/workspace.ts";

const ENTER = "\r";
const DOWN = "\x1b[B";
const CLEAR = "\x15";
const CTRL_C = "\x03";

const load = (cwd: string, env: Record<string, string> = {}) =>
  loadSettings({ flags: {}, env, cwd, needsModel: false });

describe("init --yes", () => {
  it("writes a commented file that loads as it is, and with every comment that is a setting taken in", async () => {
    const work = makeWorkspace();
    const { code, stdout } = await work.querymill(["init", "--yes"]);
    expect(code).toBe(0);
    expect(stdout).toContain("Wrote querymill.schema.json, querymill.yaml.\nNext:  ");
    const text = readFileSync(work.path("querymill.yaml"), "utf8");
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/querymill\.schema\.json\n/);
    expect((await load(work.folder)).settings).toMatchObject({ sourceCollection: "conversation_set" });
    work.write("taxonomy.yaml", "dimensions: {category: {labels: [a, b]}}");
    work.write("querymill.yaml", text.replace(/^# (\w+: )/gm, "$1").replace("model: offline", ""));
    const { settings } = await loadSettings({
      flags: { model: "offline-1" },
      env: {},
      cwd: work.folder,
      needsModel: false,
    });
    expect(settings).toMatchObject({
      mode: "continuous",
      concurrent: "auto",
      budget: { usd: 20 },
      taxonomy: { name: "taxonomy" },
    });
  });

  it("takes flags in, leaves a password out, and does not replace a file unasked", async () => {
    const work = makeWorkspace();
    const flags = [
      "--store",
      "mongodb://me:hunter22@h/support",
      "--source-collection",
      "tickets",
      "--model",
      "openai/gpt-5-mini",
    ];
    const first = await work.querymill(["init", "--yes", ...flags]);
    expect(first.stdout).toContain("--store holds a password, so the file does not name it.");
    const text = readFileSync(work.path("querymill.yaml"), "utf8");
    expect(first.stdout + text).not.toContain("hunter22");
    expect(text).toContain("# Its key is in the variable OPENAI_API_KEY.\nmodel: openai/gpt-5-mini\n");
    const { settings } = await load(work.folder, { MONGODB_URI: "mongodb://me:hunter22@h/support" });
    expect(settings).toMatchObject({ db: "support", sourceCollection: "tickets" });
    const second = await work.querymill(["init", "--yes"]);
    expect(second).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("exists already and is not replaced unasked"),
    });
    expect(readFileSync(work.path("querymill.yaml"), "utf8")).toBe(text);
    const third = await work.querymill(["init", "--yes", "--overwrite", "--json"]);
    expect(JSON.parse(third.stdout)).toEqual({
      event: "init",
      written: ["querymill.schema.json", "querymill.yaml"],
      notes: [],
    });
  });

  it("points to the schema of an installed package", async () => {
    const work = makeWorkspace();
    const { mkdirSync } = await import("node:fs");
    mkdirSync(work.path("node_modules/querymill/dist"), { recursive: true });
    work.write("node_modules/querymill/dist/querymill.schema.json", "{}");
    await work.querymill(["init", "--yes"]);
    expect(readFileSync(work.path("querymill.yaml"), "utf8")).toContain(
      "$schema=./node_modules/querymill/dist/querymill.schema.json\n",
    );
    expect(existsSync(work.path("querymill.schema.json"))).toBe(false);
  });

  it.each([
    [["init"], "there is no terminal to ask at. Add --yes"],
    [["init", "--yes", "--taxonomy", "none.yaml"], "there is no file none.yaml"],
    [["init", "--yes", "--store", "ftp://x"], "--store: expected mongodb://"],
  ])("%j is refused, and nothing is written", async (args, words) => {
    const work = makeWorkspace();
    const { code, stderr } = await work.querymill(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) });
    expect(readdirSync(work.folder)).toEqual([]);
  });
});

/** Answers one question after the other, each once it stands on the screen. */
async function answer(run: TerminalRun, ...steps: readonly (readonly [question: string, ...keys: string[]])[]) {
  let seen = 0;
  for (const [question, ...keys] of steps) {
    await run.shows(new RegExp(`^.{${seen}}.*${question.replace(/[()?.]/g, "\\$&")}.*└`, "s"));
    seen = run.screen().length;
    for (const key of keys) {
      run.type(key);
      // A key at a time, as from a keyboard: an escape sequence is told from Escape by what follows at once.
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  }
}

const files = (work: Workspace): string[] => readdirSync(work.folder).sort();

describe.skipIf(!canMakeTerminals)("init on a terminal", () => {
  it("tests the address of MongoDB, lets collection and fields be picked, and writes what then runs", async () => {
    const work = makeWorkspace();
    const { uri, client, name } = await makeDatabase();
    await client
      .db(name)
      .collection<{ _id: number }>("tickets")
      .insertMany([
        { _id: 1, ticket: { title: "Late", details: "Where is my parcel?" } },
        { _id: 2, ticket: { title: "Late too", details: "And where is mine?" } },
      ] as never);
    await client.db(name).collection("users").insertOne({ name: "Ann" });
    const run = startOnTerminal(["init"], { cwd: work.folder });
    await answer(
      run,
      ["Where are the queries?", ENTER],
      ["Address of MongoDB", CLEAR, "mongodb://127.0.0.1:1/x", ENTER],
      ["did not answer within", CLEAR, uri, ENTER],
      ["tickets  (2 documents)", ENTER],
      ["Collection for the classifications", ENTER],
      ["No text was found.", ENTER],
      ["Which fields?", " ", DOWN, " ", ENTER],
      ["Is that the text?", ENTER],
      ["Which model answers?", ENTER],
      ["Which categories?", DOWN, ENTER],
      ["Have you labelled texts?", ENTER],
      ["Write taxonomy.yaml, querymill.schema.json, querymill.yaml?", ENTER],
    );
    const { code, screen } = await run.ended;
    expect(code).toBe(0);
    expect(screen).toContain("Where is my parcel?");
    expect(files(work)).toEqual(["querymill.schema.json", "querymill.yaml", "taxonomy.yaml"]);
    const ran = await work.querymill(["run"]);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain("classified=2");
  });

  it("asks for a file of rows and the column of its text, goes back, and writes what then runs", async () => {
    const work = makeWorkspace();
    work.write("tickets.csv", "nr;was\n1;Wo ist mein Paket?\n2;Die Rechnung ist falsch\n");
    const run = startOnTerminal(["init"], { cwd: work.folder });
    await answer(
      run,
      ["Where are the queries?", DOWN, DOWN, ENTER],
      ["File of the embedded store", CLEAR, ENTER],
      ["Where are the queries?", DOWN, ENTER],
      ["File with the queries", "nothing.csv", ENTER],
      ["there is no such file", "tickets.csv", ENTER],
      ["Which column holds the text?", DOWN, ENTER],
      ["Wo ist mein Paket?", ENTER],
      ["File for the rows with their classification", ENTER],
      ["Which model answers?", ENTER],
      ["Which categories?", ENTER],
      ["Have you labelled texts?", ENTER],
      ["Write querymill.schema.json, querymill.yaml?", ENTER],
    );
    expect((await run.ended).code).toBe(0);
    expect((await work.querymill(["run"])).code).toBe(0);
    expect(readFileSync(work.path("tickets-classified.csv"), "utf8").trim().split("\n")).toHaveLength(3);
  });

  it("offers the preset that a file's rows fit, and shows lists and objects by what they are", async () => {
    const work = makeWorkspace();
    const ticket = {
      subject: "Late",
      description: "Where is it?",
      requester_id: 7,
      comments: [
        { author_id: 7, body: "Where is it?", public: true },
        { author_id: 1, body: "a tiresome person", public: false },
      ],
    };
    work.write("tickets.jsonl", `${JSON.stringify(ticket)}\n`);
    const run = startOnTerminal(["init"], { cwd: work.folder });
    await answer(
      run,
      ["Where are the queries?", DOWN, ENTER],
      ["File with the queries", "tickets.jsonl", ENTER],
      ["These rows look like zendesk. Read them so?", DOWN, ENTER],
      ["Is that the text?", DOWN, ENTER],
      ["(a list of 2)", DOWN, DOWN, DOWN, DOWN, ENTER],
      ["File with the queries", "tickets.jsonl", ENTER],
      ["These rows look like zendesk. Read them so?", ENTER],
      ["File for the rows with their classification", ENTER],
      ["Which model answers?", ENTER],
      ["Which categories?", ENTER],
      ["Have you labelled texts?", ENTER],
      ["Write querymill.schema.json, querymill.yaml?", ENTER],
    );
    expect((await run.ended).code).toBe(0);
    expect(readFileSync(work.path("querymill.yaml"), "utf8")).toContain("\nsource: { preset: zendesk }\n");
    expect((await load(work.folder)).settings.mapping).toMatchObject({ preset: "zendesk", text: null });
  });

  it("leaves nothing behind when a person leaves, at a question or at the end", async () => {
    const work = makeWorkspace();
    await work.seed([{ _id: 1, text: "hello there" }]);
    const early = startOnTerminal(["init"], { cwd: work.folder });
    await answer(early, ["Where are the queries?", CTRL_C]);
    expect(await early.ended).toMatchObject({ code: 130, screen: expect.stringContaining("Nothing was written.") });
    const late = startOnTerminal(["init"], { cwd: work.folder });
    await answer(
      late,
      ["Where are the queries?", DOWN, DOWN, ENTER],
      ["File of the embedded store", CLEAR, "store.db", ENTER],
      ["conversation_set  (1 document)", ENTER],
      ["Collection for the classifications", ENTER],
      ["Is that the text?", ENTER],
      ["Which model answers?", ENTER],
      ["Which categories?", DOWN, ENTER],
      ["Have you labelled texts?", ENTER],
      ["Write taxonomy.yaml", CTRL_C],
    );
    expect((await late.ended).code).toBe(130);
    expect(files(work)).toEqual(["store.db"]);
  });
});
