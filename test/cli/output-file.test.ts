import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { makeWorkspace, serveModel, type Workspace } from "../support/workspace.ts";

const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));

function filled(): Workspace {
  const space = makeWorkspace();
  space.write("in.csv", "id,text\n1,Where is my parcel?\n2,Thank you\n");
  return space;
}

test("an output that is there is replaced with --overwrite only, and a folder never", async () => {
  const server = await serveModel();
  const space = filled();
  space.write("out.csv", "mine");
  mkdirSync(space.path("results.csv"));
  const run = (...flags: string[]) =>
    space.querymill(["run", "--model", "drawn-1", "--base-url", server.baseUrl, "--input", "in.csv", ...flags]);
  const refused = await run("--output", "out.csv");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("out.csv exists already")]);
  expect((await run("--output", "results.csv", "--overwrite")).stderr).toContain("results.csv is a folder");
  expect(server.ledger().received).toBe(0);
  expect(readFileSync(space.path("out.csv"), "utf8")).toBe("mine");
  expect((await run("--output", "out.csv", "--overwrite")).code).toBe(0);
  expect(readFileSync(space.path("out.csv"), "utf8")).toMatch(/^id,text,item,outcome/);
});

test("an output that cannot be written at the end costs no answer", async () => {
  const server = await serveModel();
  const space = filled();
  const flags = ["--model", "drawn-1", "--base-url", server.baseUrl, "--input", "in.csv", "--output", "out.csv"];
  mkdirSync(space.path("out.csv.partial"));
  const failed = await space.querymill(["run", ...flags]);
  expect([failed.code, failed.stdout]).toEqual([4, expect.stringContaining("out.csv could not be written")]);
  expect((await space.querymill(["run", ...flags.slice(0, -1), "other.csv"])).code).toBe(0);
  expect(server.ledger().received).toBe(2);
});

test("rows go through a pipe: results on stdout, everything else on stderr, and the same again asks nobody", async () => {
  const server = await serveModel();
  const space = filled();
  const flags = ["run", "--model", "drawn-1", "--base-url", server.baseUrl, "--input", "-", "--output", "-"];
  const pipe = (input: string): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [bin, ...flags], {
        cwd: space.folder,
        env: { PATH: process.env.PATH, QUERYMILL_LOG_LEVEL: "silent" },
      });
      const said = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const)
        child[name].on("data", (part) => {
          said[name] += part;
        });
      child.on("close", (code) => resolve({ code, ...said }));
      child.stdin.end(input);
    });
  const input = readFileSync(space.path("in.csv"), "utf8");
  for (let time = 0; time < 2; time += 1) {
    const { code, stdout, stderr } = await pipe(input);
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(/^id,text,item,outcome,/),
      expect.stringMatching(/^1,Where is my parcel\?,.*,classified,/),
      expect.stringMatching(/^2,Thank you,.*,classified,/),
      "",
    ]);
    expect(stderr).toContain("2 rows of stdin");
  }
  expect(server.ledger().received).toBe(2);
  expect((await pipe(`${input}3,More\n`)).stdout.split("\n")).toHaveLength(5);
  expect(server.ledger().received).toBe(3);
});

test("a table of 80 MB needs no more memory than a small one", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  const row = "x".repeat(5_300);
  writeFileSync(
    space.path("in.csv"),
    `id,text\n${Array.from({ length: 15_000 }, (_, at) => `${at},${row}`).join("\n")}`,
  );
  const flags = ["--model", "drawn-1", "--base-url", server.baseUrl, "--limit", "5", "--output", "out.csv", "--json"];
  const heap = { NODE_OPTIONS: "--max-old-space-size=100" };
  const { code, stderr } = await space.querymill(["run", "--input", "in.csv", ...flags], heap);
  expect([code, stderr]).toEqual([0, ""]);
  const written = readFileSync(space.path("out.csv"), "latin1");
  expect(written.split("\n")).toHaveLength(15_002);
  expect(written.match(/,classified,/g)).toHaveLength(5);
});
