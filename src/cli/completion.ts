import { Argument, type Command } from "commander";
import { completionScript, SHELLS, type Shell } from "./completion-scripts.ts";
import { completionOf } from "./completion-tree.ts";
import { makeCommand } from "./options.ts";

/** A command by its name in the overview. */
export type CommandEntries = Readonly<Record<string, { readonly help: string; readonly load: () => Promise<Command> }>>;

/** `querymill completion`: a script for the shell, on stdout. @param entries every command of the program */
export function completionCommand(entries: CommandEntries): Command {
  const command = makeCommand(
    "completion",
    "Prints a script by which the shell completes commands, flags and their values.",
    `# bash, for good (with the package bash-completion), and for this session
querymill completion bash > ~/.local/share/bash-completion/completions/querymill
eval "$(querymill completion bash)"
# zsh: into a folder of fpath, then a new shell
querymill completion zsh > "\${fpath[1]}/_querymill"
# fish
querymill completion fish > ~/.config/fish/completions/querymill.fish`,
  );
  return command
    .configureHelp({ commandUsage: () => "querymill completion <shell>" })
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .action(async (shell: Shell) => {
      const commands = await Promise.all(
        Object.entries(entries).map(async ([name, { help, load }]) =>
          completionOf(name === "completion" ? command : await load(), help),
        ),
      );
      process.stdout.write(completionScript(shell, commands));
    });
}
