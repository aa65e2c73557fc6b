import { type Command, Option } from "commander";
import { type LoadedSettings, loadSettings, readFiles } from "../config/load.ts";
import type { OptionKey } from "../config/schema.ts";
import { tenantNames } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import { loadDemo } from "./demo-job.ts";
import { addOptions, JOB_OPTIONS, retype } from "./options.ts";

export interface LoadedJob extends LoadedSettings {
  /** Flags that lead another command to the same job, without secrets; empty when none are needed. */
  readonly jobFlags: string;
}

/** The options that say which job a command is about, `--demo` among them. */
export function addJobOptions(command: Command, more: readonly OptionKey[] = []): Command {
  addOptions(command, [...JOB_OPTIONS.filter((key) => key !== "json"), ...more]);
  command.addOption(new Option("--demo", "the job of querymill demo"));
  return addOptions(command, ["json"]);
}

/** Names of the tenants in the settings that the flags mean; none where there are none, or a file or the demo is meant. @throws QuerymillError as `readFiles` */
export async function tenantsHere(flags: Record<string, unknown>): Promise<string[]> {
  if (flags.input !== undefined || flags.demo === true) return [];
  const { file } = await readFiles({ flags, env: process.env, cwd: process.cwd() });
  return tenantNames(file);
}

/** Settings of the job that the flags mean. @throws QuerymillError as `loadSettings` */
export async function loadJob(flags: Record<string, unknown>, needsModel: boolean): Promise<LoadedJob> {
  const { demo, ...rest } = flags;
  if (demo !== true) {
    const loaded = await loadSettings({ flags: rest, env: process.env, cwd: process.cwd(), needsModel });
    return { ...loaded, jobFlags: jobFlagsOf(rest) };
  }
  for (const [name, flag] of [
    ["job", "--job"],
    ["tenant", "--tenant"],
    ["config", "--config"],
    ["sourceCollection", "--source-collection"],
    ["targetCollection", "--target-collection"],
    ["sourceUri", "--source-uri"],
    ["sourceDb", "--source-db"],
    ["targetUri", "--target-uri"],
    ["targetDb", "--target-db"],
    ["mark", "--mark"],
    ["preset", "--preset"],
    ["input", "--input"],
  ] as const)
    if (rest[name] !== undefined)
      throw new QuerymillError(
        "USAGE",
        `${flag} and --demo exclude each other: the demo has its own job, settings and collections. Leave one out.`,
      );
  return { ...(await loadDemo(rest, needsModel)), jobFlags: demoFlagsOf(rest) };
}

/** @returns the flags that lead to the same job, as typed */
function jobFlagsOf(flags: Readonly<Record<string, unknown>>): string {
  return retype(
    flags,
    JOB_OPTIONS.filter((key) => key !== "json"),
  );
}

/** @returns the flags that lead to the demo's job, started with these flags */
export function demoFlagsOf(flags: Readonly<Record<string, unknown>>): string {
  return `--demo ${retype(flags, ["store", "db", "batchDir"])}`.trim();
}
