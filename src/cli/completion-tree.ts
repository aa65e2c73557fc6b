import type { Command, Option } from "commander";
import { allowedWords } from "../config/json-schema.ts";
import { OPTION_KEYS, optionOf } from "../config/schema.ts";
import { MODEL_PROVIDERS } from "../llm/providers.ts";

/** What may stand behind a flag. */
export type CompletionValue =
  /** Nothing: it is a switch. */
  | { readonly kind: "none" }
  | { readonly kind: "any" }
  | { readonly kind: "file" }
  /** `open` words go on: `openai/` is followed by a name. */
  | { readonly kind: "words"; readonly words: readonly string[]; readonly open: readonly string[] };

export interface CompletionFlag {
  /** `--batch-size` and, where there is one, `-b`. */
  readonly names: readonly string[];
  readonly help: string;
  /** The word for the value in `--help`, such as `file`; empty for a switch. */
  readonly placeholder: string;
  readonly value: CompletionValue;
}

/** A command as a shell completes it. */
export interface CompletionCommand {
  readonly name: string;
  readonly help: string;
  readonly flags: readonly CompletionFlag[];
  readonly subcommands: readonly CompletionCommand[];
  /** Words that its argument may be, such as `bash`. */
  readonly words: readonly string[];
  /** Whether its argument is a file. */
  readonly takesFile: boolean;
}

const FILE = /^(file|path|dir|folder)s?$/i;

/** @param help one line; @default the command's description up to its first full stop */
export function completionOf(command: Command, help: string = firstSentence(command.description())): CompletionCommand {
  return {
    name: command.name(),
    help,
    flags: [...command.options.map(flagOf), HELP],
    subcommands: command.commands.map((inner) => completionOf(inner)),
    words: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    takesFile: command.registeredArguments.some((argument) => FILE.test(argument.name())),
  };
}

const HELP: CompletionFlag = {
  names: ["--help", "-h"],
  help: "this page",
  placeholder: "",
  value: { kind: "none" },
};

function flagOf(option: Option): CompletionFlag {
  const names = [option.long, option.short].filter((name) => name != null);
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1] ?? "";
  return { names, help: option.description, placeholder, value: valueBehind(option, placeholder) };
}

function valueBehind(option: Option, placeholder: string): CompletionValue {
  if (placeholder === "") return { kind: "none" };
  if (option.argChoices !== undefined) return { kind: "words", words: option.argChoices, open: [] };
  if (option.long === "--model") {
    const providers = Object.keys(MODEL_PROVIDERS).map((provider) => `${provider}/`);
    return { kind: "words", words: ["offline"], open: providers };
  }
  const words = wordsBehind(option);
  if (words.length > 0) return { kind: "words", words, open: [] };
  return { kind: FILE.test(placeholder) || option.long === "--store" ? "file" : "any" };
}

/** The words that the table of options allows behind a flag; none where it allows more than words. */
function wordsBehind(option: Option): readonly string[] {
  const key = OPTION_KEYS.find((name) => optionOf(name).flag === option.flags);
  return key === undefined ? [] : allowedWords(optionOf(key));
}

function firstSentence(text: string): string {
  return text.split(/[.:]\s/)[0]!.replace(/\.$/, "");
}
