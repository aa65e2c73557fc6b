import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { reportLines } from "./report.ts";
import { Bench, type BenchOptions, type Scenario } from "./scenario.ts";
import { automatic } from "./scenarios/automatic.ts";
import { endpoints } from "./scenarios/endpoints.ts";
import { estimate } from "./scenarios/estimate.ts";
import { idle } from "./scenarios/idle.ts";
import { memory } from "./scenarios/memory.ts";
import { peers } from "./scenarios/peers.ts";
import { protections } from "./scenarios/protections.ts";
import { rate } from "./scenarios/rate.ts";
import { recovery } from "./scenarios/recovery.ts";
import { start } from "./scenarios/start.ts";
import { tail } from "./scenarios/tail.ts";
import { throughput } from "./scenarios/throughput.ts";
import { wide } from "./scenarios/wide.ts";
import { isMet } from "./statistics.ts";
import { PROTECTIONS } from "./take-out.ts";

const SCENARIOS: readonly Scenario[] = [
  throughput,
  tail,
  rate,
  start,
  protections,
  recovery,
  wide,
  memory,
  endpoints,
  automatic,
  estimate,
  idle,
  peers,
];

const USAGE = `npm run bench -- [scenario …] [--rounds 3] [--items N] [--tools FOLDER] [--json]

${SCENARIOS.map(({ name, what, quick }) => `  ${name.padEnd(12)} ${what}${quick ? " (quick)" : ""}`).join("\n")}

Without names: the quick ones. Figures are medians over rounds in which the programs take turns; goals are printed, and
nothing fails for missing one. docs/performance.md says how each is measured.

  --rounds N        of every program (3)
  --items N         in each run, instead of the scenario's own number
  --tools FOLDER    the measuring tools with the model server and the lean loop (or QUERYMILL_BENCH_TOOLS)
  --without LIST    protections to take out one at a time (${PROTECTIONS.join(",")}; none for all together only)
  --peers LIST      interpreters of the Python programs: openai=PATH,aiohttp=PATH,curator=PATH
  --long            the parts that take many minutes too
  --json            one line of JSON a scenario

MongoDB is QUERYMILL_TEST_MONGO, or one that is started here.
`;

const text = { type: "string" } as const;
const toggle = { type: "boolean", default: false } as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: text,
      items: text,
      tools: text,
      without: text,
      peers: text,
      long: toggle,
      json: toggle,
      help: toggle,
    },
  });
  if (values.help) return void process.stdout.write(USAGE);
  const tools = values.tools ?? process.env.QUERYMILL_BENCH_TOOLS;
  const options: BenchOptions = {
    rounds: wholeNumber("rounds", values.rounds) ?? 3,
    items: wholeNumber("items", values.items),
    tools: tools ? resolve(tools) : null,
    without: values.without === undefined ? PROTECTIONS : list(values.without).filter((name) => name !== "none"),
    pythons: new Map(list(values.peers).map((one) => one.split("=", 2) as [string, string])),
    brief: positionals.length === 0,
    long: values.long,
  };
  for (const scenario of chosen(positionals)) {
    const bench = new Bench(options, (line) => process.stderr.write(`${scenario.name}: ${line}\n`));
    try {
      const figures = await scenario.measure(bench);
      const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`;
      if (values.json) {
        const met = figures.map((one) => ({ ...one, met: isMet(one) }));
        console.log(
          JSON.stringify({ scenario: scenario.name, figures: met, notes: bench.notes, noise: bench.noise.line() }),
        );
      } else console.log(reportLines(scenario, figures, bench, command).join("\n"));
    } finally {
      await bench.close();
    }
  }
}

function chosen(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return SCENARIOS.filter(({ quick }) => quick);
  return names.map((name) => {
    const found = SCENARIOS.find((scenario) => scenario.name === name);
    if (found === undefined)
      throw new Error(`There is no scenario ${name}: there are ${SCENARIOS.map((one) => one.name).join(", ")}.`);
    return found;
  });
}

const list = (value: string | undefined): string[] => (value ?? "").split(",").filter(Boolean);

function wholeNumber(name: string, value: string | undefined): number | null {
  if (value === undefined) return null;
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`--${name} is ${value}: it has to be a whole number from 1.`);
  return Number(value);
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
