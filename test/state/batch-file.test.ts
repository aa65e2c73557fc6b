import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Item } from "../../src/item.ts";
import { BatchFiles } from "../../src/state/batch-file.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { IDENTITY, temporaryFolder } from "./made-up-state.ts";

const item = (key: string): Item => ({ key, text: `text of ${key}`, contentHash: "h", truncated: false });

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function leftKeys(batches: BatchFiles): Promise<(string[] | null)[]> {
  const left: (string[] | null)[] = [];
  for await (const { items } of batches.leftovers()) left.push(items?.map(({ key }) => key) ?? null);
  return left;
}

it("gives back the items of what was not removed", async () => {
  const batches = new BatchFiles(nodeFileSystem, join(await temporaryFolder(), "batches"), IDENTITY);
  await batches.save("b-1", [item("1"), item("2")]);
  await batches.save("b-2", [item("3")]);
  await batches.remove("b-1");
  await batches.remove("b-1");
  expect(await leftKeys(batches)).toEqual([["3"]]);
  await batches.clear();
  expect(await leftKeys(batches)).toEqual([]);
  await batches.save("b-2", [item("4")]);
  expect(await leftKeys(batches)).toEqual([["4"]]);
});

it("lets a batch go with its last item", async () => {
  const batches = new BatchFiles(nodeFileSystem, join(await temporaryFolder(), "batches"), IDENTITY);
  await batches.save("b-1", [item("1"), item("2")]);
  await batches.save("b-2", [item("3")]);
  await batches.settle("b-1");
  expect(await leftKeys(batches)).toHaveLength(2);
  await batches.settle("b-2");
  expect(await leftKeys(batches)).toEqual([["1", "2"]]);
  await batches.settle("b-1");
  expect(await leftKeys(batches)).toEqual([]);
});

it("writes a later batch over the file of a settled one, and keeps none when there is no work", async () => {
  const folder = join(await temporaryFolder(), "batches");
  const batches = new BatchFiles(nodeFileSystem, folder, IDENTITY);
  await batches.save("b-1", [item("a long key that leaves more text behind than the next batch has"), item("2")]);
  await batches.save("b-2", [item("3")]);
  await batches.remove("b-1");
  expect(await leftKeys(batches)).toEqual([["3"]]);
  await batches.save("b-3", [item("4")]);
  expect(await filesIn(folder)).toHaveLength(2);
  expect((await leftKeys(batches)).sort()).toEqual([["3"], ["4"]]);
  await batches.remove("b-3");
  await batches.trim();
  expect(await filesIn(folder)).toHaveLength(1);
  expect(await leftKeys(batches)).toEqual([["3"]]);
});

it("passes over batches that are damaged, torn or foreign, and uses the others", async () => {
  const folder = join(await temporaryFolder(), "batches");
  const batches = new BatchFiles(nodeFileSystem, folder, IDENTITY);
  for (const name of ["flipped", "torn", "empty", "good"]) await batches.save(name, [item(name)]);
  for (const path of await filesIn(folder)) {
    const content = await readFile(path, "utf8");
    if (path.endsWith("flipped.json")) await writeFile(path, content.replace("text of", "TEXT of"));
    if (path.endsWith("torn.json")) await writeFile(path, content.slice(0, -20));
    if (path.endsWith("empty.json")) await writeFile(path, "");
  }
  for (const other of [{ job: "other" }, { tenant: "other" }, { range: "1" }])
    await new BatchFiles(nodeFileSystem, folder, { ...IDENTITY, ...other }).save(JSON.stringify(Object.keys(other)), [
      item("foreign"),
    ]);
  await writeFile(join(folder, ".DS_Store"), "not ours");
  const left = await leftKeys(batches);
  expect(left.filter((keys) => keys !== null)).toEqual([["good"]]);
  expect(left.filter((keys) => keys === null)).toHaveLength(6);
});

it("keeps any name inside its folder", async () => {
  const parent = await temporaryFolder();
  const batches = new BatchFiles(nodeFileSystem, join(parent, "state", "batches"), IDENTITY);
  for (const name of ["../../../escaped", "a/b", "..", "x".repeat(400)]) {
    await batches.save(name, [item(name)]);
    await batches.remove(name);
    await batches.save(name, [item(name)]);
  }
  expect(await readdir(parent)).toEqual(["state"]);
  expect(await leftKeys(batches)).toHaveLength(4);
});
