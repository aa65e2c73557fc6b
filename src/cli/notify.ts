import type { Command } from "commander";
import { makeCommand } from "./options.ts";

/** `querymill notify`: tries the channels of notifications, and shows what is on its way. */
export async function notifyCommand(): Promise<Command> {
  const command = makeCommand(
    "notify",
    "Sends a test notification to the channels of querymill.yaml, shows what waits to be delivered, or what is told.",
    "querymill notify test\nquerymill notify test oncall --json\nquerymill notify list\nquerymill notify rules",
  );
  command.configureHelp({ commandUsage: () => "querymill notify <command> [options]" });
  command.helpCommand(false);
  const { notifyTestCommand } = await import("./notify-test.ts");
  const { notifyListCommand } = await import("./notify-list.ts");
  const { notifyRulesCommand } = await import("./notify-rules.ts");
  return command.addCommand(notifyTestCommand()).addCommand(notifyListCommand()).addCommand(notifyRulesCommand());
}
