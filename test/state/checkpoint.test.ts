import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Checkpoints } from "../../src/state/checkpoint.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { encodeFrame } from "../../src/state/frame.ts";
import { checkpointOf, IDENTITY, stateWith, temporaryFolder } from "./made-up-state.ts";

const DAMAGED = {
  empty: "",
  garbage: "garbage",
  "cut in its middle": encodeFrame(9, JSON.stringify(checkpointOf({ generation: 9 }))).slice(0, 80),
  "changed by hand": encodeFrame(9, JSON.stringify(checkpointOf({ generation: 9 }))).replace('"ended"', '"ENDED"'),
};

async function twoGenerations() {
  const folder = await temporaryFolder();
  const checkpoints = new Checkpoints(nodeFileSystem, folder);
  for (const generation of [4, 5]) await checkpoints.save(checkpointOf({ generation, state: stateWith(generation) }));
  return { folder, checkpoints };
}

describe("loading a checkpoint", () => {
  it("takes the newer of two", async () => {
    const { checkpoints, folder } = await twoGenerations();
    expect(await checkpoints.load(IDENTITY)).toMatchObject({ checkpoint: { generation: 5 }, damaged: [] });
    await checkpoints.save(checkpointOf({ generation: 6 }));
    expect(await checkpoints.load(IDENTITY)).toMatchObject({ checkpoint: { generation: 6 } });
    expect(await readdir(folder)).toEqual(["checkpoint-0.json", "checkpoint-1.json"]);
  });

  it.each(Object.entries(DAMAGED))("uses the other when one is %s, and says which", async (_, content) => {
    for (const [name, left] of [
      ["checkpoint-1.json", 4],
      ["checkpoint-0.json", 5],
    ] as const) {
      const { checkpoints, folder } = await twoGenerations();
      await writeFile(join(folder, name), content);
      expect(await checkpoints.load(IDENTITY)).toMatchObject({ checkpoint: { generation: left }, damaged: [name] });
    }
  });

  it("finds none when both are damaged, and can save again", async () => {
    const { checkpoints, folder } = await twoGenerations();
    for (const name of ["checkpoint-0.json", "checkpoint-1.json"]) await writeFile(join(folder, name), "garbage");
    expect(await checkpoints.load(IDENTITY)).toEqual({
      checkpoint: null,
      damaged: ["checkpoint-0.json", "checkpoint-1.json"],
    });
    await checkpoints.save(checkpointOf({ generation: 1 }));
    expect(await checkpoints.load(IDENTITY)).toMatchObject({ checkpoint: { generation: 1 } });
  });

  it("refuses a newer format, naming both and the ways on", async () => {
    const { checkpoints } = await twoGenerations();
    await checkpoints.save(checkpointOf({ generation: 6, format: 2 as 1 }));
    await expect(checkpoints.load(IDENTITY)).rejects.toMatchObject({
      code: "STATE_NEWER",
      message: expect.stringMatching(/format 2, this one reads 1.*--fresh/),
    });
  });

  it.each([{ job: "other" }, { tenant: "other" }, { range: "7" }])("refuses that of another %o", async (other) => {
    const { checkpoints } = await twoGenerations();
    await checkpoints.save(checkpointOf({ generation: 6, ...other }));
    await expect(checkpoints.load(IDENTITY)).rejects.toMatchObject({ code: "STATE_DAMAGED" });
  });
});
