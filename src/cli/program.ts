import { relative } from "node:path";
import { OPTION_KEYS, type OptionKey, optionOf } from "../config/schema.ts";
import { withoutPassword } from "../redact.ts";

/** Flags of one run only: a command that goes on must not repeat them. */
export const ONCE: ReadonlySet<OptionKey> = new Set([
  "recover",
  "fresh",
  "dryRun",
  "acceptChanges",
  "yes",
  "reclassify",
]);

/** Flags that lead `estimate`, and those that lead a review, to the job of a command line. */
const OF_JOB: readonly OptionKey[] = [
  ...(["store", "db", "sourceCollection", "targetCollection", "source.uri", "source.db", "target.uri"] as const),
  ...(["target.db", "mark.in", "source.preset", "input", "batchDir", "job", "tenant", "config", "taxonomy"] as const),
];
const OF_ESTIMATE: readonly OptionKey[] = [
  ...OF_JOB,
  ...(["model", "baseUrl", "redact", "idColumn", "textColumn", "encoding", "delimiter"] as const),
];

/**
 * How this program is typed again. Installed it is `querymill`; sources that run unbuilt are reached through npm when
 * npm started them, else through node.
 * @param script the file that node was started with
 */
export function programName(
  script: string = process.argv[1] ?? "",
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (!/[\\/]src[\\/]bin\.ts$/.test(script)) return "querymill";
  if (env.npm_lifecycle_event !== undefined) return "npm run -s querymill --";
  const short = relative(process.cwd(), script);
  return `node ${short.startsWith("..") ? script : short}`;
}

/** A command written for an installed `querymill`, as it has to be typed here. */
export function asTyped(command: string): string {
  return command.replace(/\bquerymill (?=[a-z-])/g, () => `${programName()} `);
}

/**
 * Commands inside a message of a part that knows no command line (`querymill run --job x --recover`), as they have to be
 * typed here: the program as it was started, and a `run` with the flags of this command line that lead to the same job,
 * store and model; a review and an estimate with those that lead to the same job. What the message says itself wins.
 * @param args what was typed behind the program
 */
export function commandsHere(message: string, args: readonly string[] = process.argv.slice(2)): string {
  const program = programName();
  const typed = typedFlags(args);
  const withFlags = message.replace(/\bquerymill run((?: --[\w-]+(?: (?!-)\S+)?)*)/g, (whole, own: string) => {
    if (/ --help\b/.test(own)) return whole;
    const said = new Set(own.match(/--[\w-]+/g));
    if (said.has("--model")) said.add("--base-url");
    const added = typed.filter(({ flag }) => !said.has(flag)).map(({ words }) => ` ${words}`);
    // The demo goes on as the demo: `run` would be a job of one's own.
    return `querymill ${args[0] === "demo" ? "demo" : "run"}${added.join("")}${own}`;
  });
  const ofJob = (keys: readonly OptionKey[]): string =>
    [
      ...typed.filter(({ key }) => keys.includes(key)).map(({ words }) => words),
      ...args.filter((arg) => arg === "--demo"),
    ]
      .map((words) => ` ${words}`)
      .join("");
  const ofThisJob = withFlags
    .replace(/\bquerymill (export|import)(?= --review)/g, (found) => found + ofJob(OF_JOB))
    .replace(/\bquerymill estimate(?= --pilot)/g, (found) => found + ofJob(OF_ESTIMATE));
  return ofThisJob.replace(
    /\bquerymill (?=(?:run|demo|init|status|control|dashboard|retry|get|items|tail|import|export|estimate|evaluate|taxonomy|tenants|doctor|notify|clean|schema|completion|--help|--version)\b)/g,
    () => `${program} `,
  );
}

/** A word as a shell takes it for one, quoted when it has to be. */
export function shellWord(value: string): string {
  return /^[\w./:@+,=-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

/** Settings that were typed, without those of one run only and without secrets. */
function typedFlags(
  args: readonly string[],
): { readonly key: OptionKey; readonly flag: string; readonly words: string }[] {
  const found: { key: OptionKey; flag: string; words: string }[] = [];
  for (const [at, arg] of args.entries()) {
    const [flag = "", inline] = arg.split(/=(.*)/s);
    const key = OPTION_KEYS.find((name) => optionOf(name).flag?.split(" ")[0] === flag);
    if (key === undefined || ONCE.has(key)) continue;
    const form = optionOf(key).flag!;
    const next = inline ?? args[at + 1];
    const isBare = form.includes(" [") ? next === undefined || next.startsWith("-") : !form.includes("<");
    if (isBare) found.push({ key, flag, words: flag });
    else {
      if (next !== undefined && next === withoutPassword(next))
        found.push({ key, flag, words: `${flag} ${shellWord(next)}` });
    }
  }
  return found;
}
