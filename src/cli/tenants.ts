import type { Command } from "commander";
import { makeCommand } from "./options.ts";

/** `querymill tenants`: the tenants of the settings file. */
export async function tenantsCommand(): Promise<Command> {
  const command = makeCommand(
    "tenants",
    "Lists, adds, pauses, resumes and removes the tenants of querymill.yaml, and tells what each used.",
    `querymill tenants list
querymill tenants add sales --source-collection sales_mails --target-collection sales_results
querymill tenants pause sales
querymill tenants usage --month 2026-11 --csv > usage.csv
querymill tenants remove sales --data`,
  );
  command.configureHelp({ commandUsage: () => "querymill tenants <command> [options]" });
  command.helpCommand(false);
  const [look, edit, remove] = await Promise.all([
    import("./tenants-look.ts"),
    import("./tenants-edit.ts"),
    import("./tenants-remove.ts"),
  ]);
  return command
    .addCommand(look.listCommand())
    .addCommand(edit.addCommand())
    .addCommand(edit.pauseCommand(true))
    .addCommand(edit.pauseCommand(false))
    .addCommand(remove.removeCommand())
    .addCommand(look.usageCommand());
}
