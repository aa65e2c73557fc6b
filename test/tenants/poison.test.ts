import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { prepareTenants } from "../../src/index.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import type { TenantsEnd } from "../../src/tenants/tenants.ts";
import { until } from "../support/patience.ts";
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

it("settings that change while an item of one tenant is alone hold for those that wait for it", async () => {
  const cwd = await mkdtemp(join(tmpdir(), "querymill-poison-"));
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));
  const hold = Promise.withResolvers<void>();
  let isHeld = false;
  const server = await serveModel({
    fail: async () => {
      // Others are in flight when the process dies.
      await (isHeld ? hold.promise : wait(500));
      return null;
    },
  });
  const store = await openSqliteStore(join(cwd, "store.db"));
  const texts = [`${textOf("a", 0)} poison`, textOf("a", 1), textOf("a", 2)];
  await store.insert(
    "a_mails",
    texts.map((text, at) => ({ _id: `a-${at}`, text })),
  );
  await store.insert("b_mails", [{ _id: "b-0", text: textOf("b", 0) }]);
  await store.close();
  const section = (tenant: string, paused: boolean) => ({
    ...{ sourceCollection: `${tenant}_mails`, targetCollection: `${tenant}_results`, paused },
  });
  const config = {
    ...{ model: "drawn-1", baseUrl: server.baseUrl, store: join(cwd, "store.db"), batchDir: join(cwd, "state") },
    tenants: { a: section("a", false), b: section("b", true) },
  };
  for (const _ of [1, 2]) expect(await runAndDie(config)).toBeNull();
  config.tenants.b.paused = false;
  isHeld = true;
  const asked = server.ledger().received;
  const tenants = prepareTenants({ config, cwd, env: {}, flags: { recover: true } });
  const running = tenants.run();
  await until(() => server.ledger().received > asked);
  config.tenants.b.paused = true;
  hold.resolve();
  expect((await running).tenants).toMatchObject([{ end: { classified: 3 } }, { name: "b", end: null }]);
  expect(server.ledger().perDoc.get("b-0")).toBeUndefined();
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
