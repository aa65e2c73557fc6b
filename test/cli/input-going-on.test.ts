import { existsSync, readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import type { ModelServer } from "../support/model-server.ts";
import { makeWorkspace, serveModel, type Workspace } from "../support/workspace.ts";

const asking = (server: ModelServer): string[] => ["--model", "drawn-1", "--base-url", server.baseUrl, "--no-wait"];
const run = (space: Workspace, server: ModelServer, ...args: string[]) =>
  space.querymill(["run", ...asking(server), ...args]);
const rowsOf = (space: Workspace, name: string): Record<string, string>[] =>
  parse(readFileSync(space.path(name)), { columns: true });
const text = (id: string): string => `[doc:${id}] My parcel ${id} has not arrived`;
test("a run that is stopped leaves what it has in FILE.partial, and the run that goes on makes the file", async () => {
  const held = Promise.withResolvers<null>();
  const server = await serveModel({ fail: (id) => (id === "a" ? null : held.promise) });
  const space = makeWorkspace();
  space.write("in.csv", `text\n${text("a")}\n${text("b")}\n${text("c")}\n`);
  const flags = ["--input", "in.csv", "--output", "out.csv", "--concurrent", "1"];
  const { child, ended } = space.start(["run", ...asking(server), ...flags]);
  await expect.poll(() => server.ledger().received).toBe(2);
  child.kill("SIGTERM");
  held.resolve(null);
  const { code, stdout } = await ended;
  expect(code).toBe(143);
  expect(stdout).toContain("3 rows are in out.csv.partial");
  expect(existsSync(space.path("out.csv"))).toBe(false);
  expect(rowsOf(space, "out.csv.partial").map(({ outcome }) => outcome)).toEqual([
    "classified",
    "classified",
    "pending",
  ]);
  expect((await run(space, server, ...flags)).code).toBe(0);
  expect(rowsOf(space, "out.csv").map(({ outcome }) => outcome)).toEqual(Array(3).fill("classified"));
  expect(existsSync(space.path("out.csv.partial"))).toBe(false);
});

test("after kill -9 in the middle it goes on, and asks again at most for what was in flight or not yet in the journal", async () => {
  const killed = Promise.withResolvers<null>();
  const server = await serveModel({ fail: (id) => (Number(id.slice(1)) < 20 ? null : killed.promise) });
  const space = makeWorkspace();
  const ids = Array.from({ length: 60 }, (_, at) => `r${at}`);
  space.write("in.csv", `text\n${ids.map(text).join("\n")}\n`);
  const flags = ["--input", "in.csv", "--output", "out.csv", "--concurrent", "3"];
  const { child, ended } = space.start(["run", ...asking(server), ...flags]);
  await expect.poll(() => server.ledger().received).toBe(23);
  child.kill("SIGKILL");
  await ended;
  killed.resolve(null);
  expect(existsSync(space.path("out.csv"))).toBe(false);
  const unclear = await run(space, server, ...flags);
  expect(unclear.code).toBe(2);
  expect(unclear.stderr).toContain("--recover");
  expect((await run(space, server, ...flags, "--recover")).code).toBe(0);
  expect(rowsOf(space, "out.csv").map((row) => [row.text, row.outcome])).toEqual(
    ids.map((id) => [text(id), "classified"]),
  );
  expect(server.ledger().ok).toBeLessThanOrEqual(60 + 2 * 3);
});
