import type { Command } from "commander";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { packageVersion } from "../package-version.ts";

interface CommandEntry {
  readonly help: string;
  /** Loads what the command needs, and nothing that another one needs. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: {
    help: "classify what is not classified yet (the default)",
    load: async () => (await import("./run.ts")).runCommand(),
  },
  worker: {
    help: "takes parts of a run with --workers-at, on any machine",
    load: async () => (await import("./worker.ts")).workerCommand(),
  },
  demo: {
    help: "classify 300 sample queries: no key, no network",
    load: async () => (await import("./demo.ts")).demoCommand(),
  },
  init: {
    help: "asks, tests the answers, and writes querymill.yaml",
    load: async () => (await import("./init.ts")).initCommand(),
  },
  estimate: {
    help: "what everything will cost, for nothing or from a paid pilot",
    load: async () => (await import("./estimate.ts")).estimateCommand(),
  },
  status: {
    help: "how each job stands, also while it runs",
    load: async () => (await import("./status.ts")).statusCommand(),
  },
  control: {
    help: "pause, resume, retune, drain or stop a run under way",
    load: async () => (await import("./control.ts")).controlCommand(),
  },
  dashboard: {
    help: "a job on a page in the browser, with everything you can do",
    load: async () => (await import("./dashboard.ts")).dashboardCommand(),
  },
  tail: {
    help: "what a run settles, while it does",
    load: async () => (await import("./tail.ts")).tailCommand(),
  },
  retry: {
    help: "work on waiting items and dead letters again",
    load: async () => (await import("./retry.ts")).retryCommand(),
  },
  get: {
    help: "one item with its text, its record and what failed",
    load: async () => (await import("./get.ts")).getCommand(),
  },
  items: {
    help: "items that meet a query: newest, least certain, failed",
    load: async () => (await import("./items.ts")).itemsCommand(),
  },
  import: {
    help: "bring the rows of a file into the source collection",
    load: async () => (await import("./import.ts")).importCommand(),
  },
  export: {
    help: "all records as JSON lines, CSV or Parquet",
    load: async () => (await import("./export.ts")).exportCommand(),
  },
  evaluate: {
    help: "how good the model is on labelled rows",
    load: async () => (await import("./evaluate.ts")).evaluateCommand(),
  },
  doctor: {
    help: "what would stop a run, before it starts",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
  },
  taxonomy: {
    help: "check a taxonomy, compare two, or propose one from your queries",
    load: async () => await (await import("./taxonomy.ts")).taxonomyCommand(),
  },
  tenants: {
    help: "list, add, pause, resume, remove tenants; what each used",
    load: async () => await (await import("./tenants.ts")).tenantsCommand(),
  },
  notify: {
    help: "try the channels of notifications, and see what waits",
    load: async () => await (await import("./notify.ts")).notifyCommand(),
  },
  clean: {
    help: "remove local state that no run needs",
    load: async () => (await import("./clean.ts")).cleanCommand(),
  },
  schema: {
    help: "the JSON schema of querymill.yaml, for editors",
    load: async () => (await import("./schema.ts")).schemaCommand(),
  },
  completion: {
    help: "a script that makes bash, zsh or fish complete this program",
    load: async () => (await import("./completion.ts")).completionCommand(COMMANDS),
  },
};

/**
 * The command line. Sets `process.exitCode` and never exits by itself, so that output is flushed.
 * @param argv as `process.argv`: node, script, arguments
 */
export async function main(argv: string[]): Promise<void> {
  // A reader that went away (`| head`) ends no command with a stack trace.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const [first, ...rest] = argv.slice(2);
  if (first === "--version" || first === "-V") return print(packageVersion());
  if (first === "help" && rest[0] === undefined) return print(overview());
  if (first === "--help" || first === "-h") return print(overview());
  const args = first === "help" ? [rest[0]!, "--help"] : argv.slice(2);
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const name = named ? args[0]! : "run";
  const json = args.includes("--json") || /^(1|true|yes|on)$/i.test(process.env.QUERYMILL_JSON ?? "");
  try {
    if (!Object.hasOwn(COMMANDS, name)) throw unknownCommand(name);
    const command = await COMMANDS[name]!.load();
    await runCommandLine(command, named ? args.slice(1) : args);
  } catch (error) {
    const { reportError } = await import("./report-error.ts");
    process.exitCode = reportError(error, { json });
  }
}

async function runCommandLine(command: Command, args: readonly string[]): Promise<void> {
  const { CommanderError } = await import("commander");
  try {
    await command.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    const { usageError } = await import("./options.ts");
    throw usageError(error, command.commands.find((inner) => inner.name() === args[0]) ?? command);
  }
}

function unknownCommand(name: string): QuerymillError {
  const names = Object.keys(COMMANDS);
  return new QuerymillError(
    "USAGE",
    `Unknown command ${name}.${didYouMean(name, names)} There are: ${names.join(", ")}. See querymill --help.`,
  );
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const list = Object.entries(COMMANDS).map(([name, { help }]) => `  ${name.padEnd(width)}   ${help}`);
  return `Querymill ${packageVersion()} classifies support queries with a language model:
every query once, no answer paid for twice.

Usage: querymill [command] [options]

${list.join("\n")}

Each command has --help. Settings also come from QUERYMILL_… variables, .env and querymill.yaml.

Examples:
  querymill demo
  querymill run --model offline --store mongodb://localhost/support`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
