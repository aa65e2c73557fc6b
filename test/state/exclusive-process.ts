import { readFile, writeFile } from "node:fs/promises";
import { exclusively } from "../../src/state/owner.ts";

/** Counts in a file, many times, as nobody else may at the same time. */
const [path, times] = process.argv.slice(2);
for (let round = 0; round < Number(times); round += 1)
  await exclusively(`${path}.lock`, path!, async () => {
    const count = Number(await readFile(path!, "utf8"));
    await writeFile(path!, String(count + 1));
  });
