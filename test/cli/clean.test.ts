import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, queries, runFlags, serveModel, type Workspace } from "../support/workspace.ts";

/** A job whose third item is a dead letter, with an archive of an earlier state. */
async function usedJob(): Promise<Workspace> {
  const space = makeWorkspace();
  await space.seed(queries(6));
  const server = await serveModel({ fail: (id) => (id === "q3" ? "malformed" : null) });
  await space.querymill(["run", ...runFlags(server), "--no-wait", "--limit", "4"]);
  expect((await space.querymill(["run", ...runFlags(server), "--no-wait", "--fresh"])).code).toBeLessThanOrEqual(3);
  return space;
}

test("it shows what would go, and removes it only when told to; the job goes on as before", async () => {
  const space = await usedJob();
  const before = space.digest("batch_files");
  const shown = await space.querymill(["clean", "--dry-run"]);
  expect(shown.code).toBe(0);
  expect(shown.stdout).toMatch(/archive of --fresh +batch_files\S+/);
  const unasked = await space.querymill(["clean"]);
  expect(unasked.code).toBe(2);
  expect(unasked.stderr).toContain("Removing needs --yes");
  expect(space.digest("batch_files")).toBe(before);
  expect((await space.querymill(["clean", "--yes"])).code).toBe(0);
  expect(allFiles(space.path("batch_files")).filter((file) => file.includes("archive"))).toEqual([]);
  const { jobs } = lastEvent((await space.querymill(["status", "--json"])).stdout);
  expect(jobs).toMatchObject([{ state: "idle", deadLetters: [{ count: 1 }] }]);
  expect((await space.querymill(["clean", "--dry-run"])).stdout).toBe("Nothing to clean.\n");
});

test("expired dead letters go with --older-than, without a trace of what the model said", async () => {
  const space = await usedJob();
  const holds = () => allFiles(space.path("batch_files")).some((file) => readFileSync(file).includes('"rawAnswer":"'));
  expect(holds()).toBe(true);
  expect((await space.querymill(["clean", "--older-than", "9", "--yes"])).stdout).toBe("Nothing to clean.\n");
  const { stdout } = await space.querymill(["clean", "--older-than", "0", "--yes", "--json"]);
  expect(lastEvent(stdout)).toMatchObject({
    event: "clean:end",
    removed: true,
    jobs: [{ job: "inbox", deadLetters: 1 }],
  });
  expect(holds()).toBe(false);
  const queue = allFiles(space.path("batch_files")).find((file) => file.endsWith("dead-letters.queue"))!;
  expect(readFileSync(queue, "utf8")).not.toContain("q3");
});

test("--all leaves no file of the job and touches neither queries nor results", async () => {
  const space = await usedJob();
  const store = space.digest("store.db");
  expect((await space.querymill(["clean", "--all", "--yes"])).stderr).toContain("say whose with --job NAME");
  expect((await space.querymill(["clean", "--job", "inbox", "--all", "--yes"])).code).toBe(0);
  expect(allFiles(space.path("batch_files")).filter((file) => !file.endsWith(".gitignore"))).toEqual([]);
  expect(space.digest("store.db")).toBe(store);
  expect((await space.querymill(["clean", "--job", "inbox", "--all", "--yes"])).code).toBe(2);
});

test("answers that are journaled and not stored, or a run that holds the job, keep the state where it is", async () => {
  const space = makeWorkspace();
  await space.seed(queries(30));
  const server = await serveModel({ fail: (id) => (Number(id.slice(1)) > 10 ? "hang" : null) });
  const { child, ended } = space.start(["run", ...runFlags(server), "--json"]);
  await new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (server.ledger().ok < 10 || server.ledger().inFlight < 5) return;
      clearInterval(look);
      resolve();
    }, 20);
  });
  const held = await space.querymill(["clean", "--job", "inbox", "--all", "--yes"]);
  expect(held.code).toBe(2);
  expect(held.stderr).toContain(`Job inbox is held by process ${child.pid}`);
  child.kill("SIGKILL");
  await ended;
  const before = space.digest("batch_files");
  const unclean = await space.querymill(["clean", "--job", "inbox", "--all", "--yes"]);
  expect(unclean.code).toBe(2);
  expect(unclean.stderr).toMatch(/Store them first: {2}node .*bin\.ts run .*--job inbox --recover/);
  expect(space.digest("batch_files")).toBe(before);
});

function allFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
