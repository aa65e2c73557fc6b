import { parseArgs } from "node:util";
import { failoverLines, isFailoverSound, runFailover } from "./crash/failover.ts";
import { runKills, type StoreKind } from "./crash/kills.ts";
import { runPower } from "./crash/power.ts";
import { areStatesSound, isSound, killLines, stateLines } from "./crash/report.ts";
import { runStates } from "./crash/states.ts";

const USAGE = `npm run crash -- [what] [--seed 7] [--json]

  --kills N      SIGKILL the command line N times per store and recover it each time
                 --store mongodb|sqlite|both (both)  --items N seeded at a time (250)  --slots N (16)
  --states       every state that a power cut can leave of the local files; --sample N draws so many
  --power N      power cuts of a real ext4 file system, as root on Linux; --items, --slots as above
  --failover N   kills, pauses and isolates members of a replica set of three under load; --items before each (3000), --slots (50)

Ends with 1 when a promise was broken. docs/reliability.md says what is counted.
MongoDB is QUERYMILL_TEST_MONGO, or one that is started here.
`;

const STORES: ReadonlyMap<string, readonly StoreKind[]> = new Map([
  ["both", ["mongodb", "sqlite"]],
  ["mongodb", ["mongodb"]],
  ["sqlite", ["sqlite"]],
]);

interface Part {
  readonly report: unknown;
  readonly lines: readonly string[];
  readonly sound: boolean;
}

const text = { type: "string" } as const;
const toggle = { type: "boolean", default: false } as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...{ kills: text, power: text, failover: text, states: toggle, help: toggle, json: toggle },
      ...{
        seed: { ...text, default: "7" },
        store: { ...text, default: "both" },
        items: text,
        slots: text,
        sample: text,
      },
    },
  });
  const seed = wholeNumber("seed", values.seed);
  const stores = STORES.get(values.store);
  if (stores === undefined) throw new Error(`--store is ${values.store}: it may be mongodb, sqlite or both.`);
  const amount = (name: "items" | "slots", fallback: number): number => wholeNumber(name, values[name] ?? fallback);
  const say = (line: string): void => {
    if (!values.json) process.stderr.write(`${line}\n`);
  };
  const common = { seed, items: amount("items", 250), slots: amount("slots", 16) };
  const onProgress = (store: StoreKind, kills: number, items: number): void =>
    say(`${store}: ${kills} deaths, ${items} items settled`);
  const parts: Part[] = [];
  if (values.kills !== undefined) {
    const mongoUri = process.env.QUERYMILL_TEST_MONGO ?? null;
    const kills = wholeNumber("kills", values.kills);
    for (const report of await runKills({ ...common, kills, stores, mongoUri, onProgress }))
      parts.push({ report, lines: killLines(report, "kill"), sound: isSound(report) });
  }
  if (values.states) {
    const sample = values.sample === undefined ? null : wholeNumber("sample", values.sample);
    const report = await runStates({ seed, sample, onProgress: (done, of) => say(`${done} of ${of} states`) });
    parts.push({ report, lines: stateLines(report), sound: areStatesSound(report) });
  }
  if (values.power !== undefined) {
    const report = await runPower({ ...common, kills: wholeNumber("power", values.power), onProgress });
    if (typeof report === "string") parts.push({ report: { missing: report }, lines: [report], sound: true });
    else parts.push({ report, lines: killLines(report, "power cut"), sound: isSound(report) });
  }
  if (values.failover !== undefined) {
    const faults = wholeNumber("failover", values.failover);
    const sizes = { items: amount("items", 3_000), slots: amount("slots", 50) };
    const report = await runFailover({ seed, faults, ...sizes, onProgress: say });
    parts.push({ report, lines: failoverLines(report), sound: isFailoverSound(report) });
  }
  if (parts.length === 0) process.stdout.write(USAGE);
  else if (values.json) console.log(JSON.stringify(parts.map(({ report, sound }) => ({ sound, report }))));
  else for (const { lines } of parts) console.log(lines.join("\n"));
  if (parts.some(({ sound }) => !sound)) process.exitCode = 1;
}

function wholeNumber(name: string, value: string | number): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`--${name} is ${value}: it has to be a whole number from 1.`);
  return number;
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
