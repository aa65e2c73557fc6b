import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPTION_KEYS, optionOf } from "../../src/config/schema.ts";
import { makeWorkspace } from "../support/workspace.ts";

const FILES = ["Dockerfile", "docs/deployment.md", ...globSync("examples/{compose,systemd,kubernetes}/*")].filter(
  (file) => !file.endsWith("secrets"),
);
const texts = new Map(FILES.map((file) => [file, readFileSync(file, "utf8")]));
const OURS =
  /(?<![\w./@:-])(?:\/usr\/local\/bin\/)?querymill(?::[\d.]+)? ((?:run|demo|status|doctor|retry|clean|tail|control|get|export)\b[^\n`#]*)/g;

/** Command lines of ours, also those that a manifest has as a list. */
function commandsOf(text: string): string[] {
  const lists = [...text.matchAll(/(?:args|command): (\["run"[^\]]*\])/g)].map(([, list]) =>
    JSON.parse(list!).join(" "),
  );
  return [...[...text.matchAll(OURS)].map(([, words]) => words!), ...lists];
}

test("every command and option in the files for deployment exists", async () => {
  const workspace = makeWorkspace();
  const commands = [...texts].flatMap(([file, text]) => commandsOf(text).map((command) => ({ file, command })));
  expect(commands.length).toBeGreaterThan(8);
  const helps = new Map<string, string>();
  for (const { file, command } of commands) {
    const [first, ...words] = command.trim().split(/\s+/);
    // What is told to a running process is a command of its own: `control reload`.
    const name = [
      first,
      ...(first === "control" ? words.filter((word) => /^[a-z]+$/.test(word)).slice(0, 1) : []),
    ].join(" ");
    if (!helps.has(name)) helps.set(name, (await workspace.querymill([...name.split(" "), "--help"])).stdout);
    for (const flag of words.filter((word) => word.startsWith("--")))
      expect(helps.get(name), `${file}: querymill ${command}`).toMatch(new RegExp(`${flag}(?![\\w-])`));
    expect(helps.get(name), `${file}: querymill ${command}`).toContain(`querymill ${name}`);
  }
});

test("every variable and setting in them is one", () => {
  const variables = OPTION_KEYS.flatMap((key) => optionOf(key).env ?? []);
  // What Kubernetes would make for a service of this name; said in a comment only.
  for (const [file, text] of texts)
    for (const [name] of text.matchAll(/\bQUERYMILL_[A-Z_]+\b/g))
      if (name !== "QUERYMILL_PORT") expect(variables, file).toContain(name);
  for (const [, key] of texts.get("docs/deployment.md")!.matchAll(/`((?:deadlines|cache)\.\w+)`/g))
    expect(OPTION_KEYS).toContain(key);
});

test("the settings in them are taken as they are", async () => {
  const workspace = makeWorkspace();
  const ofMap = /querymill\.yaml: \|\n((?: {4}.*\n)+)/.exec(texts.get("examples/kubernetes/querymill.yaml")!)![1]!;
  for (const text of [texts.get("examples/compose/querymill.yaml")!, ofMap.replaceAll(/^ {4}/gm, "")]) {
    workspace.write("querymill.yaml", text);
    await workspace.seed([{ _id: "q1", text: "Where is my parcel?" }]);
    const run = await workspace.querymill(["run", "--dry-run", "--store", "store.db"], { OPENAI_API_KEY: "sk-none" });
    expect(run, run.stderr).toMatchObject({ code: 0 });
  }
});
