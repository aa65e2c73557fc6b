import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isSound, reportLines } from "./soak/report.ts";
import { runSoak } from "./soak/run.ts";

const USAGE = `npm run soak -- [--minutes 30] [--seed 7] [--rate 20] [--fault-every 10] [--out FOLDER] [--json]

Two continuous jobs over a replica set of three, a provider and a webhook receiver, all of them troubled: one fault every
--fault-every seconds. --rate conversations arrive in a second for each job, some of them grow later. One job's process is
killed and restarted, the other one lives from the first minute to the last: its memory is measured.

--out   report.json and soak.svg (memory, lag, rate) go there

Ends with 1 when a promise was broken. docs/reliability.md says what is counted.
`;

const text = { type: "string" } as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...{ minutes: { ...text, default: "30" }, seed: { ...text, default: "7" }, rate: { ...text, default: "20" } },
      ...{ "fault-every": { ...text, default: "10" }, out: text },
      ...{ json: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), "querymill-soak-"));
  try {
    const { report, svg } = await runSoak({
      folder,
      minutes: amount("minutes", values.minutes),
      seed: values.seed,
      perSecond: amount("rate", values.rate),
      faultEveryMs: amount("fault-every", values["fault-every"]) * 1_000,
      say: (line) => process.stderr.write(`${line}\n`),
    });
    if (values.out !== undefined) {
      const out = resolve(values.out);
      await mkdir(out, { recursive: true });
      await writeFile(join(out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
      await writeFile(join(out, "soak.svg"), svg);
    }
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${reportLines(report).join("\n")}\n`);
    process.exitCode = isSound(report) ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function amount(name: string, given: string): number {
  const value = Number(given);
  if (!(value > 0)) throw new Error(`--${name} is ${given}: it has to be a number above 0.`);
  return value;
}

await main();
