import { Command, type CommanderError, Option } from "commander";
import { didYouMean } from "../config/nearest.ts";
import { attributeOf } from "../config/option.ts";
import { OPTION_KEYS, type OptionKey, optionOf } from "../config/schema.ts";
import { QuerymillError } from "../errors.ts";
import { withoutPassword } from "../redact.ts";
import { asTyped, shellWord } from "./program.ts";

/** A command whose errors are thrown instead of printed; `parseAsync` then rejects with a CommanderError. */
export function makeCommand(name: string, description: string, example: string): Command {
  return new Command(name)
    .description(description)
    .configureHelp({ commandUsage: () => `querymill ${name} [options]` })
    .helpOption("-h, --help", "this page")
    .addHelpText("after", `\nExample:\n  ${asTyped(example).replaceAll("\n", "\n  ")}\n`)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(false);
}

/** Adds options of the settings table. No default is given to commander: a flag that was not typed stays undefined. */
export function addOptions(command: Command, keys: readonly OptionKey[]): Command {
  for (const key of keys) {
    const { flag, help, default: fallback } = optionOf(key);
    if (flag === null) continue;
    const shown = typeof fallback === "number" || (typeof fallback === "string" && fallback !== "");
    command.addOption(new Option(flag, shown ? `${help} (default: ${fallback})` : help));
  }
  return command;
}

/** Every option with a flag, for `run`. */
export const RUN_OPTIONS: readonly OptionKey[] = OPTION_KEYS.filter((key) => optionOf(key).flag !== null);

/** The options that say which job is meant and how to talk about it, shared by the commands about one. */
export const JOB_OPTIONS: readonly OptionKey[] = [
  "store",
  "db",
  "sourceCollection",
  "targetCollection",
  "source.uri",
  "source.db",
  "target.uri",
  "target.db",
  "mark.in",
  "source.preset",
  "input",
  "batchDir",
  "job",
  "tenant",
  "config",
  "json",
];

/** How the file of `--input` is read. */
export const READING_OPTIONS: readonly OptionKey[] = ["idColumn", "textColumn", "encoding", "delimiter"];

/** Flags as they were typed, ready to type again; a store with a password is left to MONGODB_URI. */
export function retype(flags: Readonly<Record<string, unknown>>, keys: readonly OptionKey[]): string {
  const typed = keys.flatMap((key) => {
    const flag = optionOf(key).flag!;
    const long = flag.split(" ")[0]!;
    const value = flags[attributeOf(flag)];
    if (long.startsWith("--no-")) return value === false ? [long] : [];
    if (value === true) return [long];
    if (typeof value !== "string" || value !== withoutPassword(value)) return [];
    return [long, shellWord(value)];
  });
  return typed.join(" ");
}

/** A parsing error of commander in our words: what is wrong, and the nearest right thing. */
export function usageError(error: CommanderError, command: Command): QuerymillError {
  const [, word = ""] = /'([^']*)'/.exec(error.message) ?? [];
  const name = command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
  const help = `querymill ${name} --help`;
  const flags = command.options.flatMap(({ long }) => long ?? []);
  switch (error.code) {
    case "commander.unknownOption": {
      const name = word.split("=")[0]!;
      return refused(`Unknown option ${name}.${didYouMean(name, flags) || ` See ${help}.`}`);
    }
    case "commander.optionMissingArgument": {
      const option = command.options.find(({ flags }) => flags === word);
      return refused(`${option?.long ?? word} needs a value: ${option?.description ?? `see ${help}`}.`);
    }
    case "commander.help":
    case "commander.unknownCommand": {
      const names = command.commands.map((inner) => inner.name());
      const wrong =
        word === "" ? `${name} needs a command.` : `Unknown command ${name} ${word}.${didYouMean(word, names)}`;
      return refused(`${wrong} There are: ${names.join(", ")}. See ${help}.`);
    }
    case "commander.excessArguments":
      return refused(`${command.name()} takes no argument; got "${command.args.join(" ")}". See ${help}.`);
    default:
      return refused(`${error.message.replace(/^error: /, "").replace(/\.?$/, ".")} See ${help}.`);
  }
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
