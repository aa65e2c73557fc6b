import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DockerfileParser } from "dockerfile-ast";
import { ModifiableInstruction } from "dockerfile-ast/lib/modifiableInstruction.js";

/** One instruction with its flags (`--from=build`) apart from its arguments. */
export interface Instruction {
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  /** Line ends and their backslashes are gone. */
  readonly text: string;
}

export interface Stage {
  readonly name: string | null;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

/** Reads a Dockerfile with a real parser. */
export function readDockerfile(path: string): Stage[] {
  const stages: { name: string | null; base: string; instructions: Instruction[] }[] = [];
  for (const instruction of DockerfileParser.parse(readFileSync(path, "utf8")).getInstructions()) {
    const words = instruction.getArguments().map((argument) => argument.getValue());
    const name = instruction.getInstruction();
    if (name === "FROM") {
      stages.push({ base: words[0]!, name: words[1]?.toUpperCase() === "AS" ? words[2]! : null, instructions: [] });
      continue;
    }
    const given = instruction instanceof ModifiableInstruction ? instruction.getFlags() : [];
    const flags = Object.fromEntries(given.map((flag) => [flag.getName(), flag.getValue() ?? ""]));
    const text = (instruction.getArgumentsContent() ?? "").replace(/^(?:--\S+\s+)*/, "");
    stages.at(-1)?.instructions.push({ name, flags, text });
  }
  return stages;
}

/**
 * Carries out the stages of a Dockerfile without a builder: this machine's root stands in for every base image, and each
 * stage's changes go to a folder of its own, over it. Needs root on Linux.
 * @param context the folder that is built
 * @param into an empty folder on a disk
 * @returns the folder with what the last stage added to its base
 */
export function buildByHand(stages: readonly Stage[], context: string, into: string): string {
  const folders = new Map<string, string>();
  let last = "";
  for (const [at, { name, instructions }] of stages.entries()) {
    last = join(into, name ?? `stage-${at}`);
    if (name !== null) folders.set(name, last);
    mkdirSync(last, { recursive: true });
    // Stands in for the base of a stage that builds: the Node that these tests run on.
    if (name !== null) put(process.execPath, join(last, "usr/local/bin/node"));
    let work = "/";
    for (const { name: what, flags, text } of instructions) {
      if (what === "WORKDIR") {
        work = text;
        mkdirSync(join(last, work), { recursive: true });
      }
      if (what === "COPY") {
        const words = text.split(/\s+/);
        const target = words.at(-1)!;
        for (const word of words.slice(0, -1)) {
          const from = flags.from === undefined ? join(context, word) : join(folders.get(flags.from)!, word);
          const isFolder = target.endsWith("/") || target === "./";
          put(from, join(last, target.startsWith("/") ? "" : work, target, isFolder ? word : ""));
        }
      }
      if (what === "RUN") inside(last, into, `cd ${work} && ${text}`);
    }
  }
  return last;
}

/** Copies what the ignore file of a context lets through: everything is left out but its `!` lines. */
export function copyContext(from: string, to: string): void {
  const rules = readFileSync(join(from, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (rules[0] !== "*") throw new Error(".dockerignore does not leave everything out first");
  for (const rule of rules.slice(1)) put(join(from, rule.replace(/^!/, "")), join(to, rule.replace(/^!/, "")));
}

/** Size of all files below a folder, in MB. */
export function megabytes(folder: string): number {
  const files = globSync("**/*", { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0) / 1e6;
}

/** The command that has a folder as the root, over this machine's, for a shell script; `after` are words behind it. */
export function rootOver(script: string): string[] {
  return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script];
}

function inside(folder: string, scratch: string, script: string): void {
  const [work, root] = [join(scratch, ".work"), join(scratch, ".root")];
  for (const each of [work, root]) mkdirSync(each, { recursive: true });
  const inner = join(folder, ".run.sh");
  writeFileSync(inner, `set -e\n${script}\n`);
  const [command, ...words] = rootOver(
    `mount -t overlay overlay -o lowerdir=/,upperdir=${folder},workdir=${work} ${root}
     mount --rbind /proc ${root}/proc; mount --rbind /dev ${root}/dev
     chroot ${root} sh /.run.sh; rm ${root}/.run.sh`,
  );
  // What the installation of this checkout downloaded is taken from npm's cache, unasked.
  const npm = { npm_config_prefer_offline: "true" };
  const env = { ...process.env, ...npm, PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
  execFileSync(command!, words, { env, stdio: ["ignore", "pipe", "pipe"], maxBuffer: 64e6 });
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}
