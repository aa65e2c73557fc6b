import type { Command } from "commander";
import type { OptionKey } from "../config/schema.ts";
import { addOptions, makeCommand } from "./options.ts";

/** A command below `taxonomy`. @param usage what follows its name */
export function makeTaxonomyCommand(
  name: string,
  description: string,
  example: string,
  { usage, keys }: { readonly usage: string; readonly keys: readonly OptionKey[] },
): Command {
  const command = makeCommand(name, description, example);
  command.configureHelp({ commandUsage: () => `querymill taxonomy ${name} ${usage}` });
  return addOptions(command, keys);
}
