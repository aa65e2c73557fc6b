import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { nodeFileSystem, openStateFolder, replaceFile } from "../../src/state/files.ts";
import { Journal } from "../../src/state/journal.ts";
import { OwnerLock } from "../../src/state/owner.ts";
import { checkpointOf, faultyFiles, IDENTITY, settlementOf, stateWith, temporaryFolder } from "./made-up-state.ts";

it("keeps every folder to this user (0700) and every file (0600)", async () => {
  const folder = join(await temporaryFolder(), "state");
  const manager = new BatchFileManager(folder, { job: "support" });
  await manager.open();
  const lock = OwnerLock.take(manager.folder, { pid: 1, host: "h", executionId: "x", since: "now" }, "support");
  const journal = await Journal.open(manager.files, manager.journalFolder, IDENTITY, () => stateWith(0), {
    seq: 0,
    segments: new Map(),
  });
  await journal.append({ kind: "settled", settlement: settlementOf('"a"') });
  await manager.saveBatch("b-1", [{ key: '"a"', text: "hello", contentHash: "h", truncated: false }]);
  await manager.saveCheckpoint(checkpointOf());
  await manager.addToRetryQueue("model", [
    { key: '"a"', dueMs: 1, round: 1, failure: "transient", message: "m", alike: 1, contentHash: null },
  ]);
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const mode = ((await stat(join(entry.parentPath, entry.name))).mode & 0o777).toString(8);
    found[mode] ??= entry.name;
    expect([entry.name, mode]).toEqual([entry.name, entry.isDirectory() ? "700" : "600"]);
  }
  expect(Object.keys(found).sort()).toEqual(["600", "700"]);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  await journal.close();
  await manager.close();
  lock.release();
});

describe("a state folder that cannot be used", () => {
  it("is refused with its name and the reason when a file stands in its place", async () => {
    const path = join(await temporaryFolder(), "taken");
    await writeFile(path, "");
    await expect(openStateFolder(nodeFileSystem, path)).rejects.toMatchObject({
      code: "STATE_UNWRITABLE",
      message: expect.stringContaining(path),
    });
  });

  it.each(["/proc/querymill/state", "/dev/null/state"])("is refused where nothing can be made: %s", async (path) => {
    await expect(openStateFolder(nodeFileSystem, path)).rejects.toMatchObject({
      code: "STATE_UNWRITABLE",
      message: expect.stringContaining(path),
    });
  });

  it("is refused when it may not be written", async () => {
    const parent = await temporaryFolder();
    const path = join(parent, "locked");
    await mkdir(path, { mode: 0o500 });
    await chmod(parent, 0o755);
    // Root may write anywhere: be somebody else for this.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      await expect(openStateFolder(nodeFileSystem, path)).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    } finally {
      if (isRoot) process.seteuid?.(0);
      await chmod(path, 0o700);
    }
  });
});

describe("replacing a file", () => {
  it("leaves the old content whole when the disk fills up in between", async () => {
    const path = join(await temporaryFolder(), "a.json");
    const { files, disk } = faultyFiles();
    await replaceFile(files, path, "old");
    disk.room = 2;
    await expect(replaceFile(files, path, "new content")).rejects.toThrow(/ENOSPC/);
    expect(String(await files.read(path))).toBe("old");
    disk.room = 100;
    await replaceFile(files, path, "new content");
    expect(String(await files.read(path))).toBe("new content");
  });
});

it("lists nothing for a folder that is not there, and for a file", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, ".DS_Store"), "");
  expect(await nodeFileSystem.list(join(folder, "missing"))).toEqual([]);
  expect(await nodeFileSystem.list(join(folder, ".DS_Store"))).toEqual([]);
});
