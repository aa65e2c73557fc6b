import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { OPTION_KEYS, optionOf } from "../../src/config/schema.ts";
import { makeWorkspace } from "../support/workspace.ts";

const folder = mkdtempSync(join(tmpdir(), "querymill-completion-"));
const canRun = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0;

/** The script for a shell, in a file. */
async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await makeWorkspace().querymill(["completion", shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const path = join(folder, `completion.${shell}`);
  writeFileSync(path, stdout);
  return path;
}

describe.skipIf(!canRun("bash"))("completion in bash", () => {
  let path: string;
  beforeAll(async () => {
    path = await script("bash");
    writeFileSync(join(folder, "labelled.csv"), "");
  });

  /** What bash offers behind these words; the last one is being typed. */
  function offered(...words: string[]): string[] {
    const code = `source ${path}
      compopt() { :; }
      COMP_WORDS=(querymill "$@"); COMP_CWORD=$#; COMPREPLY=()
      _querymill
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", code, "bash", ...words], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    return stdout.split("\n").filter((word) => word !== "");
  }

  test("commands", () => {
    expect(offered("sta")).toEqual(["status"]);
    expect(offered("")).toEqual(expect.arrayContaining(["run", "init", "schema", "completion", "help"]));
    expect(offered("help", "expo")).toEqual(["export"]);
  });

  test("flags of the command, those of run without one", () => {
    expect(offered("run", "--batch-")).toEqual(["--batch-size", "--batch-dir"]);
    expect(offered("--batch-")).toEqual(["--batch-size", "--batch-dir"]);
    expect(offered("export", "--form")).toEqual(["--format"]);
    expect(offered("export", "--retr")).toEqual([]);
    const flags = OPTION_KEYS.flatMap((key) => optionOf(key).flag?.split(" ")[0] ?? []);
    expect(offered("run", "--")).toEqual(expect.arrayContaining(flags));
  });

  test("values: choices also behind =, providers, files, and nothing where any text will do", () => {
    expect(offered("run", "--mode", "")).toEqual(["batch", "continuous", "scheduled"]);
    expect(offered("--mode", "=", "con")).toEqual(["continuous"]);
    expect(offered("run", "--concurrent", "")).toEqual(["auto"]);
    expect(offered("run", "--model", "o")).toEqual(expect.arrayContaining(["offline", "openai/", "ollama/"]));
    expect(offered("run", "--examples", "label")).toEqual(["labelled.csv"]);
    expect(offered("run", "--job", "")).toEqual([]);
    expect(offered("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });
});

test.skipIf(!canRun("zsh"))("zsh takes its script", async () => {
  expect(spawnSync("zsh", ["-n", await script("zsh")], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
});

test.skipIf(!canRun("fish"))("completion in fish", async () => {
  const path = await script("fish");
  const offered = (line: string): string[] =>
    spawnSync("fish", ["--no-config", "-c", `source ${path}; complete -C '${line}'`], { encoding: "utf8" })
      .stdout.trim()
      .split("\n")
      .map((one) => one.split("\t")[0]!);
  expect(offered("querymill run --mode ")).toEqual(["batch", "continuous", "scheduled"]);
  expect(offered("querymill sta")).toEqual(["status"]);
  expect(offered("querymill --batch-")).toEqual(expect.arrayContaining(["--batch-size", "--batch-dir"]));
});

test("an unknown shell is refused with those there are", async () => {
  const { code, stderr } = await makeWorkspace().querymill(["completion", "tcsh"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("bash, zsh, fish") });
});
