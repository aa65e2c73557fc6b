import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { expect, it } from "vitest";
import { parseConfig } from "../../src/config/file.ts";
import { makeWorkspace } from "../support/workspace.ts";

it("commands that write to the settings file at once lose nothing of each other, through links too", async () => {
  const space = makeWorkspace();
  mkdirSync(space.path("real"));
  space.write("real/settings.yaml", "model: offline # for free\nstore: mongodb://localhost/support\n");
  symlinkSync("real/settings.yaml", space.path("querymill.yaml"));
  const names = ["a", "b", "c", "d"];
  const added = names.map((name, at) => {
    const path = at % 2 === 0 ? "querymill.yaml" : "real/settings.yaml";
    const collections = ["--source-collection", `${name}_mails`, "--target-collection", `${name}_results`];
    return space.querymill(["tenants", "add", name, "--config", path, ...collections]);
  });
  for (const { code, stderr } of await Promise.all(added)) expect([code, stderr]).toEqual([0, ""]);
  const { tenants } = parseConfig(readFileSync(space.path("querymill.yaml"), "utf8"), "querymill.yaml");
  expect([...tenants!.keys()].sort()).toEqual(names);
  expect(readdirSync(space.path("real"))).toEqual(["settings.yaml"]);
});

it("a settings file in a folder that this user cannot write to is refused, with its path", async () => {
  const space = makeWorkspace();
  space.write("querymill.yaml", "model: offline\ntenants:\n  sales: { targetCollection: sales_results }\n");
  // Root may write anywhere: then somebody else tries.
  chmodSync(space.path("querymill.yaml"), 0o644);
  chmodSync(space.folder, 0o555);
  const other = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
  const { code, stderr } = await space.start(["tenants", "pause", "sales"], {}, other).ended;
  chmodSync(space.folder, 0o755);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/querymill\.yaml cannot be written: EACCES/)]);
});
