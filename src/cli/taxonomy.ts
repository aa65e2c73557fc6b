import type { Command } from "commander";
import { makeCommand } from "./options.ts";

/** `querymill taxonomy`: looks at taxonomies, compares them, proposes one. */
export async function taxonomyCommand(): Promise<Command> {
  const command = makeCommand(
    "taxonomy",
    "Looks at taxonomies, compares two, or proposes one from your own queries.",
    `querymill taxonomy check shop.yaml
querymill taxonomy diff default shop.yaml
querymill taxonomy suggest --store mongodb://localhost/support --model openai/gpt-5-mini`,
  );
  command.configureHelp({ commandUsage: () => "querymill taxonomy <command> [options]" });
  command.helpCommand(false);
  const { checkCommand } = await import("./taxonomy-check.ts");
  const { diffCommand } = await import("./taxonomy-diff.ts");
  const { suggestCommand } = await import("./taxonomy-suggest.ts");
  command.addCommand(checkCommand()).addCommand(diffCommand()).addCommand(suggestCommand());
  return command;
}
