import { readFileSync, renameSync, symlinkSync } from "node:fs";
import { expect, it } from "vitest";
import { findJobs, tenantJobs } from "../../src/jobs/status.ts";
import { prepareTenants } from "../../src/tenants/prepare-tenants.ts";
import { makeTenantSpace, section, type TenantSpace } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

/** Tenants a and b that have run; the state folder of b can be read by nobody, not even by root: it leads to itself. */
async function makeSpace(): Promise<{ space: TenantSpace; folder: string }> {
  const space = await makeTenantSpace();
  space.settings(await serveModel(), section("a") + section("b"));
  await space.fill("a", 2);
  await space.fill("b", 2);
  await prepareTenants({ env: space.env, cwd: space.folder }).run();
  const folder = space.path("batch_files", "b");
  renameSync(folder, space.path("kept"));
  symlinkSync("b", folder);
  return { space, folder };
}

it("a state folder that cannot be read is told where it is asked for, and keeps nothing of the others back", async () => {
  const { space, folder } = await makeSpace();
  const told = `${folder} cannot be read: ELOOP`;
  const batchDir = space.path("batch_files");
  expect(await findJobs(batchDir)).toMatchObject([{ tenant: "a" }]);
  expect(await tenantJobs(batchDir, "a")).toMatchObject([{ tenant: "a" }]);
  await expect(tenantJobs(batchDir, "b")).rejects.toThrow(told);

  const list = await space.run("tenants", "list", "--json");
  expect([list.code, lastEvent(list.stdout).tenants]).toMatchObject([
    2,
    [
      { name: "a", state: "idle", settled: 2, problem: null },
      { name: "b", state: "unusable", monthUsd: null, problem: expect.stringContaining("cannot be read: ELOOP") },
    ],
  ]);
  expect(await space.run("status", "--tenant", "a")).toMatchObject({ code: 0 });
  expect(await space.run("tenants", "usage", "--tenant", "a")).toMatchObject({ code: 0 });
  for (const asked of [
    ["status", "--tenant", "b"],
    ["clean", "--tenant", "b", "--all", "--yes"],
    ["tenants", "usage"],
    ["tenants", "remove", "b", "--yes"],
  ])
    expect([asked, await space.run(...asked)]).toMatchObject([
      asked,
      { code: 2, stderr: expect.stringContaining(told) },
    ]);
  expect((await space.run("doctor", "--tenant", "b")).stdout).toContain("cannot be read: ELOOP");
  const pause = await space.run("tenants", "pause", "b");
  expect([pause.code, pause.stdout]).toEqual([0, expect.stringContaining("Whether a process runs it is not known")]);
  expect(readFileSync(space.path("querymill.yaml"), "utf8")).toContain("paused: true");
  expect(await space.run("tenants", "remove", "a", "--yes")).toMatchObject({ code: 0 });
});
