import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), "querymill-cli-"));

function querymill(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { PATH: process.env.PATH ?? "", LANG: "C.UTF-8" };
  return spawnSync(process.execPath, [bin, ...args], { cwd, env, encoding: "utf8" });
}

test("--version says the version of the package", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(querymill("--version")).toMatchObject({ status: 0, stdout: `${version}\n` });
});

test.each([
  [["--batchsize", "5"], "✖ Unknown option --batchsize. Did you mean --batch-size?\n"],
  [["run", "--batch-sise=5"], "✖ Unknown option --batch-sise. Did you mean --batch-size?\n"],
  [["run", "--limit"], "✖ --limit needs a value: stop after n items.\n"],
  [["rnu"], "✖ Unknown command rnu. Did you mean run?"],
  [["run", "extra"], '✖ run takes no argument; got "extra". See node '],
  [
    ["run", "--model", "offline", "--mode", "btach"],
    'expected batch, continuous, scheduled; got "btach". Did you mean batch?\n',
  ],
])("%j: exit 2, one message, no usage page, nothing on stdout", (args, words) => {
  const { status, stdout, stderr } = querymill(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toContain(words);
  expect(stderr).not.toContain("Usage:");
});

test("without a model it names the three ways on", () => {
  const { status, stderr } = querymill("--store", "my store.db", "--limit=5", "--fresh");
  expect(status).toBe(2);
  const run = `node ${bin} run --store 'my store.db' --limit 5`;
  expect(stderr).toContain(`${run} --model offline\n`);
  expect(stderr).toContain(`${run} --base-url http://127.0.0.1:8000/v1 --model NAME\n`);
  expect(stderr).toContain(`OPENAI_API_KEY=… ${run} --model openai/NAME\n`);
  expect(stderr).toContain(`node ${bin} demo `);
});

test("a reader that goes away early is no error", () => {
  for (const page of ["--help", "run --help"]) {
    const command = `"${process.execPath}" "${bin}" ${page} | true; exit \${PIPESTATUS[0]}`;
    const { stderr } = spawnSync("bash", ["-c", command], { cwd, encoding: "utf8" });
    expect(stderr).toBe("");
  }
});

test("with --json an error is an event too", () => {
  const { stdout } = querymill("--json", "--limit", "x");
  expect(JSON.parse(stdout)).toMatchObject({ event: "error", code: "USAGE" });
});

test("help lists every option with its default and shows an example", () => {
  const { status, stdout } = querymill("run", "--help");
  expect(status).toBe(0);
  for (const words of ["Usage: querymill run [options]", "--batch-size <n>", "(default: 10)", "Example:"])
    expect(stdout).toContain(words);
  expect(querymill("--help").stdout).toContain("querymill [command] [options]");
});
