import type { CompletionCommand, CompletionFlag } from "./completion-tree.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * @param commands of the program `querymill`; flags without a command are those of `run`
 * @returns a script that makes the shell complete commands, flags and their values; it asks no program while it completes
 */
export function completionScript(shell: Shell, commands: readonly CompletionCommand[]): string {
  const lines = { bash: bashLines, zsh: zshLines, fish: fishLines }[shell](commands);
  return `${lines.join("\n")}\n`;
}

interface Placed {
  /** `taxonomy check` */
  readonly path: string;
  readonly command: CompletionCommand;
}

function placed(commands: readonly CompletionCommand[], before = ""): Placed[] {
  return commands.flatMap((command) => {
    const path = `${before}${command.name}`;
    return [{ path, command }, ...placed(command.subcommands, `${path} `)];
  });
}

function namesOf(commands: readonly CompletionCommand[]): string {
  return commands.map(({ name }) => name).join(" ");
}

function bashLines(commands: readonly CompletionCommand[]): string[] {
  const all = placed(commands);
  const groups = all.filter(({ command }) => command.subcommands.length > 0);
  return [
    "# Completion of querymill for bash, made by: querymill completion bash",
    "_querymill() {",
    `  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} cmd= i words= open= files=`,
    "  # bash parts --mode=batch at the =",
    `  if [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}; elif [[ $cur == = ]]; then cur=; fi`,
    `  if ((COMP_CWORD > 1)) && [[ \${COMP_WORDS[1]} != -* ]]; then cmd=\${COMP_WORDS[1]}; fi`,
    ...(groups.length === 0
      ? []
      : [
          "  if ((COMP_CWORD > 2)); then",
          `    case "$cmd \${COMP_WORDS[2]}" in`,
          `      ${groups.flatMap(({ path, command }) => command.subcommands.map(({ name }) => `'${path} ${name}'`)).join("|")}) cmd="$cmd \${COMP_WORDS[2]}" ;;`,
          "    esac",
          "  fi",
        ]),
    `  case "\${cmd:-run} $prev" in`,
    ...all.flatMap(({ path, command }) => command.flags.flatMap((flag) => bashValue(path, flag))),
    "  esac",
    "  if [[ $cur == -* ]]; then",
    `    case "\${cmd:-run}" in`,
    ...all.map(
      ({ path, command: { flags } }) => `      '${path}') words='${flags.flatMap(({ names }) => names).join(" ")}' ;;`,
    ),
    "    esac",
    '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    "    return",
    "  fi",
    '  case "$cmd" in',
    `    '') words='${namesOf(commands)} help' ;;`,
    `    help) words='${namesOf(commands)}' ;;`,
    ...all.flatMap(({ path, command }) => {
      const words = [...command.words, ...command.subcommands.map(({ name }) => name)];
      if (words.length > 0) return [`    '${path}') words='${words.join(" ")}' ;;`];
      return command.takesFile ? [`    '${path}') files=1 ;;`] : [];
    }),
    "  esac",
    '  if [[ -n $files ]]; then compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return; fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    "}",
    "complete -F _querymill querymill",
  ];
}

function bashValue(path: string, { names, value }: CompletionFlag): string[] {
  const when = names.map((name) => `'${path} ${name}'`).join("|");
  switch (value.kind) {
    case "none":
      return [];
    case "any":
      return [`    ${when}) return ;;`];
    case "file":
      return [`    ${when}) compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;`];
    case "words": {
      const nospace = value.open.length > 0 ? ` [[ $\{COMPREPLY[0]} == */ ]] && compopt -o nospace;` : "";
      const words = [...value.words, ...value.open].join(" ");
      return [`    ${when}) COMPREPLY=($(compgen -W '${words}' -- "$cur"));${nospace} return ;;`];
    }
  }
}

function zshLines(commands: readonly CompletionCommand[]): string[] {
  const all = placed(commands);
  return [
    "#compdef querymill",
    "# Completion of querymill for zsh, made by: querymill completion zsh",
    "_querymill() {",
    "  local -a commands",
    `  commands=(${commands.map(({ name, help }) => zshWord(`${name}:${help}`)).join(" ")})`,
    "  local cmd=run at=1",
    "  if (( CURRENT > 2 )) && [[ $words[2] != -* ]]; then cmd=$words[2]; at=2; fi",
    "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then _describe -t commands command commands; return; fi",
    ...all
      .filter(({ command }) => command.subcommands.length > 0)
      .flatMap(({ path, command: { subcommands } }) => [
        `  if [[ $cmd == ${zshWord(path)} ]]; then`,
        `    commands=(${subcommands.map(({ name, help }) => zshWord(`${name}:${help}`)).join(" ")})`,
        "    if (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then _describe -t commands command commands; return; fi",
        `    if [[ " ${namesOf(subcommands)} " == *" $words[3] "* ]]; then cmd="$cmd $words[3]"; at=3; fi`,
        "  fi",
      ]),
    "  # _arguments takes the command for the first word",
    `  words=(querymill "\${(@)words[at+1,-1]}"); (( CURRENT -= at - 1 ))`,
    '  case "$cmd" in',
    ...all.flatMap(({ path, command }) => [
      `    ${zshWord(path)})`,
      "      _arguments \\",
      ...command.flags.flatMap((flag) => flag.names.map((name) => `        ${zshFlag(name, flag)} \\`)),
      `        ${zshArgument(command)} ;;`,
    ]),
    `    help) _describe -t commands command commands ;;`,
    "  esac",
    "}",
    'if [[ $funcstack[1] == _querymill ]]; then _querymill "$@"; else compdef _querymill querymill; fi',
  ];
}

function zshFlag(name: string, { help, placeholder, value }: CompletionFlag): string {
  const text = help.replace(/[\\[\]:]/g, (char) => `\\${char}`);
  if (value.kind === "none") return zshWord(`${name}[${text}]`);
  const action =
    value.kind === "file" ? "_files" : value.kind === "any" ? " " : `(${[...value.words, ...value.open].join(" ")})`;
  return zshWord(`${name}=[${text}]:${placeholder.replaceAll(":", " ")}:${action}`);
}

function zshArgument({ words, takesFile }: CompletionCommand): string {
  if (words.length > 0) return zshWord(`1:argument:(${words.join(" ")})`);
  return takesFile ? "'*:file:_files'" : "'*: : '";
}

function zshWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishLines(commands: readonly CompletionCommand[]): string[] {
  const flat = placed(commands);
  return [
    "# Completion of querymill for fish, made by: querymill completion fish",
    "function __querymill_at",
    "    # True when the words typed so far are in this command; flags alone are those of run.",
    "    set -l typed (commandline -opc)[2..]",
    "    set -l wanted (string split ' ' -- $argv[1])",
    "    if test (count $typed) -eq 0; or string match -q -- '-*' $typed[1]",
    '        test "$wanted" = run',
    "        return",
    "    end",
    "    set -l size (count $wanted)",
    '    test (count $typed) -ge $size; and test "$typed[1..$size]" = "$wanted"',
    "end",
    "function __querymill_bare",
    "    test (count (commandline -opc)) -eq 1",
    "end",
    "complete -c querymill -f",
    ...commands.map(({ name, help }) => `complete -c querymill -n __querymill_bare -a ${name} -d ${fishWord(help)}`),
    ...flat.flatMap(({ path, command }) => [
      ...command.subcommands.map(
        ({ name, help }) =>
          `complete -c querymill -n ${fishWord(`__querymill_at '${path}'`)} -a ${name} -d ${fishWord(help)}`,
      ),
      ...(command.words.length === 0
        ? []
        : [`complete -c querymill -n ${fishWord(`__querymill_at '${path}'`)} -a ${fishWord(command.words.join(" "))}`]),
      ...(command.takesFile ? [`complete -c querymill -n ${fishWord(`__querymill_at '${path}'`)} -F`] : []),
      ...command.flags.map((flag) => fishFlag(path, flag)),
    ]),
  ];
}

function fishFlag(path: string, { names, help, value }: CompletionFlag): string {
  const spelled = names
    .map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
    .join(" ");
  const values =
    value.kind === "none"
      ? ""
      : value.kind === "file"
        ? " -r -F"
        : value.kind === "any"
          ? " -x"
          : ` -x -a ${fishWord([...value.words, ...value.open].join(" "))}`;
  return `complete -c querymill -n ${fishWord(`__querymill_at '${path}'`)} ${spelled}${values} -d ${fishWord(help)}`;
}

function fishWord(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
