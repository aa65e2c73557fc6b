// Whole runs beside another program, interleaved: node bench/throughput.ts --rounds 3 --mongo URI --server URL/v1
//   [--items 30000] [--slots 50] [--batch-size 10] [--against "node limit.mjs --n 30000 …"]
// The other program prints one JSON line with docs_s and cpu_us_doc. Figures count as ratios of medians of one call.
import { spawnSync } from "node:child_process";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    mongo: { type: "string", default: "mongodb://127.0.0.1:27017" },
    server: { type: "string", default: "http://127.0.0.1:8089/v1" },
    items: { type: "string", default: "30000" },
    slots: { type: "string", default: "50" },
    "batch-size": { type: "string", default: "10" },
    against: { type: "string" },
  },
});

function lastJson(command: string, args: readonly string[], shell: boolean): Record<string, number> {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8", shell, timeout: 300_000 });
  const line = stdout
    .trim()
    .split("\n")
    .findLast((one) => one.startsWith("{"));
  if (status !== 0 || line === undefined) throw new Error(`${command} ended with ${status}: ${stderr.slice(-500)}`);
  return JSON.parse(line) as Record<string, number>;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

const ours: Record<string, number>[] = [];
const theirs: Record<string, number>[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  const { mongo, server, items, slots } = values;
  const args = [
    "bench/one-run.ts",
    "--mongo",
    mongo,
    "--server",
    server,
    "--items",
    items,
    "--slots",
    slots,
    "--batch-size",
    values["batch-size"],
  ];
  ours.push(lastJson(process.execPath, args, false));
  if (values.against) theirs.push(lastJson(values.against, [], true));
  console.log(JSON.stringify({ round, load: loadavg()[0], querymill: ours.at(-1), against: theirs.at(-1) }));
}
const rate = median(ours.map(({ itemsPerSecond = Number.NaN }) => itemsPerSecond));
const cpu = median(ours.map(({ cpuUsPerItem = Number.NaN }) => cpuUsPerItem));
console.log(`querymill  ${rate} items/s, ${cpu} µs of CPU an item (medians of ${ours.length})`);
if (theirs.length > 0) {
  const otherRate = median(theirs.map(({ docs_s = Number.NaN }) => docs_s));
  const otherCpu = median(theirs.map(({ cpu_us_doc = Number.NaN }) => cpu_us_doc));
  console.log(
    `against    ${otherRate} items/s, ${otherCpu} µs; ratio ${(rate / otherRate).toFixed(2)} in items/s, ${(cpu / otherCpu).toFixed(2)} in CPU`,
  );
}
