import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import type { TenantsEnd } from "../../src/tenants/tenants.ts";
import { textOf } from "../support/tenants.ts";
import { serveModel } from "../support/workspace.ts";

it("an item that kills the process ends as a dead letter of its tenant, and no item of another one does", async () => {
  const cwd = await mkdtemp(join(tmpdir(), "querymill-poison-"));
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));
  const server = await serveModel({
    latency: "fixed:5",
    // Slow enough to be in flight whenever the process dies.
    fail: async (id) => {
      if (id === "a-0") await wait(500);
      return null;
    },
  });
  const store = await openSqliteStore(join(cwd, "store.db"));
  for (const tenant of ["a", "b"])
    await store.insert(
      `${tenant}_mails`,
      Array.from({ length: 30 }, (_, at) => ({
        _id: `${tenant}-${at}`,
        text: textOf(tenant, at) + (tenant === "b" && at === 0 ? " poison" : ""),
      })),
    );
  await store.close();
  const section = (tenant: string): object => ({
    sourceCollection: `${tenant}_mails`,
    targetCollection: `${tenant}_results`,
    concurrent: 2,
  });
  const config = {
    ...{ model: "drawn-1", baseUrl: server.baseUrl, store: join(cwd, "store.db"), batchDir: join(cwd, "state") },
    tenants: { a: section("a"), b: section("b") },
  };
  let end: TenantsEnd | null = null;
  let deaths = 0;
  for (; end === null; deaths += 1) {
    expect(deaths).toBeLessThan(9);
    end = await runAndDie(config);
  }
  expect(end.tenants).toMatchObject([
    { name: "a", exitCode: 0, end: { jobTotals: { classified: 30, deadLetters: 0 } } },
    {
      name: "b",
      exitCode: 3,
      end: { jobTotals: { classified: 29, deadLetters: 1 }, deadLetterReasons: { poison: 1 } },
    },
  ]);
});

/** @returns how all ended, or null when the process died of it */
function runAndDie(config: object): Promise<TenantsEnd | null> {
  const script = fileURLToPath(new URL("../support/poison-tenants.ts", import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(config)], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (part) => {
      said[name] += part;
    });
  return new Promise((resolve, reject) =>
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(said.stdout) as TenantsEnd);
      else if (said.stderr.includes("no text can be as bad")) resolve(null);
      else reject(new Error(said.stderr));
    }),
  );
}
