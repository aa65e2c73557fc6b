import { dirname, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { loadSettings, readFiles } from "../config/load.ts";
import { attributeOf } from "../config/option.ts";
import { configPath } from "../config/place.ts";
import { severalProblems } from "../config/problems.ts";
import { OPTION_KEYS, type OptionKey, optionOf } from "../config/schema.ts";
import { NOT_OF_A_TENANT, TENANT_FIELDS, type TenantField } from "../config/tenant-fields.ts";
import { chooseTenant } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import { tenantConflicts } from "../tenants/conflicts.ts";
import { batchDirOf, listTenants } from "../tenants/list.ts";
import { addSection, setPaused } from "../tenants/section-edits.ts";
import { editSettings } from "../tenants/settings-file.ts";
import { type Told, tellRunning } from "../tenants/tell-running.ts";
import { symbols } from "./format.ts";
import { addOptions } from "./options.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";
import { makeTenantsCommand } from "./tenants-command.ts";

type Flags = Readonly<Record<string, unknown>>;

/** Settings that a section can be begun with: those of a job that have a flag. */
const SECTION_KEYS: readonly OptionKey[] = OPTION_KEYS.filter((key) => {
  const { flag, inFile } = optionOf(key);
  return flag !== null && inFile && !Object.hasOwn(NOT_OF_A_TENANT, key.split(".")[0]!);
});
const OWN_FLAGS: Readonly<Record<TenantField, string>> = {
  weight: "--weight <n>",
  floor: "--floor <n>",
  ceiling: "--ceiling <n>",
  paused: "--paused",
  keyVariable: "--key-variable <name>",
  storeVariable: "--store-variable <name>",
};
/** Paths: in the file they are relative to its folder. */
const PATHS: readonly OptionKey[] = ["taxonomy"];

/** `querymill tenants add NAME`. */
export function addCommand(): Command {
  const command = makeTenantsCommand(
    "add",
    "Writes a section for a tenant into querymill.yaml: what is different from the rest of the file. Comments and order stay; what would not load is refused.",
    `querymill tenants add sales --source-collection sales_mails --target-collection sales_results
querymill tenants add legal --target-collection legal_results --filter '{"team": "legal"}' --weight 2`,
    "<name> [options]",
  );
  command.argument("<name>", "1 to 64 of a-z, 0-9, - and _");
  for (const [field, flag] of Object.entries(OWN_FLAGS) as [TenantField, string][])
    command.addOption(new Option(flag, TENANT_FIELDS[field].help));
  return addOptions(command, [...SECTION_KEYS, "config", "json"]).action(async (name: string, flags: Flags) => {
    process.exitCode = await add(name, flags);
  });
}

/** `querymill tenants pause NAME` and `resume NAME`. */
export function pauseCommand(paused: boolean): Command {
  const [name, description] = paused
    ? [
        "pause",
        "No new calls of a tenant, now and in later runs: its section says paused: true, and a process that runs it is told.",
      ]
    : [
        "resume",
        "Lets a paused tenant go on: paused is taken out of its section, and a process that runs tenants is told.",
      ];
  const command = makeTenantsCommand(name!, description!, `querymill tenants ${name} sales`, "<name> [options]");
  command.argument("<name>", "of the tenant");
  return addOptions(command, ["config", "batchDir", "json"]).action(async (tenant: string, flags: Flags) => {
    process.exitCode = await pause(tenant, paused, flags);
  });
}

async function add(name: string, flags: Flags): Promise<number> {
  const cwd = process.cwd();
  const path = await configPath({ flags, env: process.env, cwd });
  const settings = sectionOf(flags, dirname(path), cwd);
  const notes: string[] = [];
  const input = { env: process.env, cwd, flags: { tenant: name } };
  await editSettings(path, addSection(name, settings), async (content) => {
    const text = { path, content };
    const loaded = await loadSettings({ ...input, text, needsModel: false });
    notes.push(...loaded.notes);
    const others = await listTenants({ ...input, flags: {}, text, needsModel: false });
    const problems = tenantConflicts(others.flatMap((one) => ("loaded" in one ? one.loaded.settings : [])));
    if (problems.length > 0) throw severalProblems(problems);
    // A key may be set where the tenant runs, and nowhere else.
    await loadSettings({ ...input, text }).catch((error: unknown) => {
      if (!(error instanceof QuerymillError)) throw error;
      notes.push(`It does not run yet: ${error.message.split("\n")[0]}`);
    });
  });
  const screen = openScreen();
  const shown = relative(cwd, path) || path;
  if (flags.json === true)
    screen.json({ event: "tenants:added", time: new Date().toISOString(), name, file: path, settings, notes });
  else
    screen.printWhole([
      `${screen.look.style("green", symbols(screen.look.ascii).ok)} Tenant ${name} is in ${shown}.`,
      ...notes.map((note) => `  ${note}`),
      `  Look at it:  ${asTyped(`querymill doctor --tenant ${name}`)}`,
      `  Run it:      ${asTyped(`querymill run --tenant ${name}`)}    A process that runs tenants takes it up with SIGHUP.`,
    ]);
  return 0;
}

async function pause(name: string, paused: boolean, flags: Flags): Promise<number> {
  const cwd = process.cwd();
  const path = await configPath({ flags, env: process.env, cwd });
  const input = { flags, env: process.env, cwd };
  const { file, variables } = await readFiles(input);
  // One whose settings cannot be used otherwise can be paused too.
  const tenant = chooseTenant(file, name, variables);
  const isNew = (tenant?.paused === true) !== paused;
  if (isNew) await editSettings(path, setPaused(name, paused));
  const told = await tellRunning(await batchDirOf(input), name, paused);
  const screen = openScreen();
  if (flags.json === true)
    screen.json({ event: "tenants:paused", time: new Date().toISOString(), name, paused, changed: isNew, ...told });
  else screen.print(pausedLines(name, paused, isNew, told, screen.look.ascii));
  return 0;
}

function pausedLines(
  name: string,
  paused: boolean,
  isNew: boolean,
  { pid, took, problem }: Told,
  ascii: boolean,
): string[] {
  const { ok, warn } = symbols(ascii);
  const state = paused ? "paused" : "no longer paused";
  const first = isNew ? `${ok} Tenant ${name} is ${state}.` : `Tenant ${name} was ${state} already.`;
  const trouble = pid === null ? "Whether a process runs it is not known" : `Process ${pid} did not take it`;
  if (problem !== null) return [first, `${warn} ${trouble}: ${problem} Tell it with kill -HUP ${pid ?? "PID"}.`];
  if (pid === null) return [`${first} No process runs it${paused ? ", and none will" : "; the next run takes it up"}.`];
  const how = paused ? "makes no new calls for it; those in flight come home" : "goes on with it";
  return [`${first} Process ${pid} ${took ? how : "has it so already"}.`];
}

/** What was typed, as it stands in the file. @throws QuerymillError USAGE */
function sectionOf(flags: Flags, folder: string, cwd: string): Record<string, unknown> {
  const section: Record<string, unknown> = {};
  const problems: string[] = [];
  const put = (key: string, flag: string, given: unknown): void => {
    const option = Object.hasOwn(TENANT_FIELDS, key) ? TENANT_FIELDS[key as TenantField] : optionOf(key as OptionKey);
    const value = typeof given === "string" ? option.fromText(given) : given;
    if (!option.schema.safeParse(value).success) {
      problems.push(`${flag.split(" ")[0]}: expected ${option.expected}; got "${String(given)}".`);
      return;
    }
    const [group, member] = key.split(".") as [string, string | undefined];
    const placed = PATHS.includes(key as OptionKey) ? relative(folder, resolve(cwd, String(value))) : value;
    if (member === undefined) section[group] = placed;
    else section[group] = { ...(section[group] as object | undefined), [member]: placed };
  };
  for (const [field, flag] of Object.entries(OWN_FLAGS)) {
    const given = flags[attributeOf(flag)];
    if (given !== undefined) put(field, flag, given);
  }
  for (const key of SECTION_KEYS) {
    const flag = optionOf(key).flag!;
    const given = flags[attributeOf(flag)];
    // commander sets what has a `--no-` form by itself.
    if (given !== undefined && !(flag.startsWith("--no-") && given === true)) put(key, flag, given);
  }
  if (problems.length > 0) throw severalProblems(problems);
  return section;
}
