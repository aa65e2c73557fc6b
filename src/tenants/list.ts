import { join, resolve } from "node:path";
import { type LoadedSettings, loadSettings, readFiles, type SettingsInput } from "../config/load.ts";
import { severalProblems } from "../config/problems.ts";
import { resolveOptions } from "../config/sources.ts";
import { tenantNames } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import { findJobs } from "../jobs/status.ts";
import { tenantConflicts } from "./conflicts.ts";

/** A tenant of the settings, as its settings resolve now. */
export type ListedTenant = { readonly name: string } & (
  | { readonly loaded: LoadedSettings }
  /** Why its settings cannot be used. */
  | { readonly problem: string; readonly error: QuerymillError }
);

/**
 * All tenants of the settings, in their order, each with its settings or what is wrong with them. Opens and asks nothing.
 * @throws QuerymillError CONFIG_INVALID when the file itself cannot be read
 */
export async function listTenants(input: SettingsInput): Promise<ListedTenant[]> {
  const { file } = await readFiles(input);
  if (file !== null && file.problems.length > 0) throw severalProblems(file.problems);
  const listed: ListedTenant[] = [];
  for (const name of tenantNames(file))
    try {
      const loaded = await loadSettings({ ...input, flags: { ...input.flags, tenant: name } });
      listed.push({ name, loaded });
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      listed.push({ name, problem: error.message, error });
    }
  return listed;
}

/** @throws QuerymillError CONFIG_INVALID when a tenant is in the way of another one of the settings */
export async function refuseConflicts(input: SettingsInput, settings: JobSettings): Promise<void> {
  const all = await listTenants({ ...input, needsModel: false });
  const others = all.flatMap((one) => ("loaded" in one && one.name !== settings.tenant ? one.loaded.settings : []));
  const problems = tenantConflicts([...others, settings]);
  if (problems.length > 0) throw severalProblems(problems);
}

/** @returns where all tenants have their state: known also when the settings of one cannot be used */
export async function batchDirOf(input: SettingsInput): Promise<string> {
  const { file, folder, variables } = await readFiles(input);
  const { get, origin } = resolveOptions(input.flags, variables, file);
  return resolve(origin("batchDir") === "file" ? folder : input.cwd, get("batchDir"));
}

/** @returns the folder of all that a tenant has in local state: journals, queues, kept answers, notifications, texts */
export function tenantFolder(batchDir: string, name: string): string {
  return join(batchDir, name);
}

/** Tenants of which there is local state and no section any more. */
export async function leftBehind(batchDir: string, names: readonly string[]): Promise<string[]> {
  const found = new Set((await findJobs(batchDir)).map(({ tenant }) => tenant));
  return [...found].filter((tenant) => tenant !== "default" && !names.includes(tenant)).sort();
}
