import type { Command } from "commander";
import { makeCommand } from "./options.ts";

/** A command below `tenants`. @param usage what follows its name */
export function makeTenantsCommand(name: string, description: string, example: string, usage: string): Command {
  const command = makeCommand(name, description, example);
  command.configureHelp({ commandUsage: () => `querymill tenants ${name} ${usage}` });
  return command;
}
