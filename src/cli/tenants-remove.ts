import { relative } from "node:path";
import { type Command, Option } from "commander";
import { loadSettings, readFiles } from "../config/load.ts";
import { configPath } from "../config/place.ts";
import { severalProblems } from "../config/problems.ts";
import { TENANT_NAME } from "../config/tenant-options.ts";
import { QuerymillError } from "../errors.ts";
import { batchDirOf } from "../tenants/list.ts";
import type { RemovalOptions, RemovalPlan } from "../tenants/removal.ts";
import { removeSection } from "../tenants/section-edits.ts";
import { editSettings, tryEdit } from "../tenants/settings-file.ts";
import { confirm } from "./confirm.ts";
import { count, type Look, left, money, symbols } from "./format.ts";
import { addOptions } from "./options.ts";
import { openScreen } from "./screen.ts";
import { makeTenantsCommand } from "./tenants-command.ts";

type Flags = Readonly<Record<string, unknown>>;

/** `querymill tenants remove NAME`. */
export function removeCommand(): Command {
  const command = makeTenantsCommand(
    "remove",
    "Removes a tenant after showing what goes with it: its section, local state, journals, queues, dead letters, kept answers, notifications. With --data also its records, their history and its marks. One that was cut off is gone on with.",
    `querymill tenants remove sales --dry-run
querymill tenants remove sales --data --yes`,
    "<name> [options]",
  );
  command.argument("<name>", "of the tenant");
  command.addOption(new Option("--data", "records, their history, notes and the marks in the source too"));
  command.addOption(new Option("--dry-run", "show what would go, and leave it"));
  command.addOption(new Option("--yes", "do it without asking"));
  return addOptions(command, ["config", "batchDir", "json"]).action(async (name: string, flags: Flags) => {
    process.exitCode = await remove(name, flags);
  });
}

async function remove(name: string, { data, dryRun, yes, ...flags }: Flags): Promise<number> {
  const { planRemoval, removeTenant } = await import("../tenants/removal.ts");
  const options = { ...(await placesOf(name, flags)), name, data: data === true };
  const plan = await planRemoval(options);
  const path = await configPath({ flags, env: process.env, cwd: process.cwd() });
  if (dryRun !== true) {
    if (plan.heldBy !== null) throw new QuerymillError("JOB_HELD", `Tenant ${name} is ${heldLine(plan)}`);
    // Its section goes last: what keeps it from going is told before anything is gone.
    if (options.section !== null) await tryEdit(path, removeSection(name));
  }
  const screen = openScreen();
  const report = (event: string): void => screen.json({ event, time: new Date().toISOString(), ...plan });
  if (flags.json === true) {
    if (dryRun === true) report("tenants:remove-preview");
  } else screen.printWhole(planLines(plan, options.section !== null, screen.look));
  if (dryRun === true) {
    if (flags.json !== true) screen.print(["", "Nothing was removed."]);
    return 0;
  }
  if (yes !== true && !(await confirm(`Remove tenant ${name}?`, "Removing"))) {
    screen.print(["Nothing was removed."]);
    return 0;
  }
  await removeTenant(options, async () => {
    const { file } = await readFiles({ flags, env: process.env, cwd: process.cwd() });
    if (file?.tenants?.has(name) === true) await editSettings(path, removeSection(name));
  });
  if (flags.json === true) report("tenants:removed");
  else screen.print(["", `${screen.look.style("green", symbols(screen.look.ascii).ok)} Tenant ${name} is removed.`]);
  return 0;
}

/** Where its state is, and what its section says. */
async function placesOf(name: string, flags: Flags): Promise<Pick<RemovalOptions, "batchDir" | "section">> {
  const input = { flags, env: process.env, cwd: process.cwd(), needsModel: false };
  const { file } = await readFiles(input);
  if (file !== null && file.problems.length > 0) throw severalProblems(file.problems);
  const batchDir = await batchDirOf(input);
  if (file?.tenants?.has(name) === true) {
    const section = await loadSettings({ ...input, flags: { ...flags, tenant: name } }).then(
      (loaded) => loaded.settings,
      (error: unknown) => {
        // Its local state can go all the same.
        if (error instanceof QuerymillError) return error;
        throw error;
      },
    );
    return { batchDir, section };
  }
  if (!TENANT_NAME.test(name) || name === "default" || name === "demo")
    throw new QuerymillError("USAGE", `"${name}" is no name of a tenant. See querymill tenants list.`);
  return { batchDir, section: null };
}

function heldLine({ name, heldBy }: RemovalPlan): string {
  return `run by process ${heldBy}, and is not removed meanwhile. Stop it first, its calls in flight come home:  querymill control drain --wait --tenant ${name}`;
}

function planLines(plan: RemovalPlan, hasSection: boolean, look: Look): string[] {
  const { name, goesOn, data, folder, bytes, jobs, collections, fleet, marksIn } = plan;
  const row = (what: string, text: string): string => `  ${left(what, 18)}${text}`;
  const kept = data ? [] : ["", "  Records, their history and the marks in the source stay: --data removes them too."];
  return [
    look.style("bold", goesOn ? `${name} (its removal was cut off, and goes on)` : name),
    ...(hasSection ? [row("section", `tenants.${name} of the settings`)] : []),
    row("local state", `${relative(process.cwd(), folder)}   ${count(Math.ceil(bytes / 1_024))} KB`),
    ...jobs.flatMap((job) => [
      ...(job.journaled > 0
        ? [row("", look.style("yellow", `${count(job.journaled)} answers are paid and not stored yet: they are lost`))]
        : []),
      ...(job.retryQueued > 0 ? [row("retry queue", `${count(job.retryQueued)} items`)] : []),
      ...(job.deadLetters > 0 ? [row("dead letters", `${count(job.deadLetters)} with their texts`)] : []),
      ...(job.callsMade > 0
        ? [
            row(
              "usage",
              `${count(job.callsMade)} calls, ${money(job.costUsd)}: querymill tenants usage --csv keeps a copy`,
            ),
          ]
        : []),
    ]),
    ...collections.map((one) =>
      row("collection", `${one.name}   ${one.documents === null ? "?" : count(one.documents)} documents`),
    ),
    ...(fleet?.collections ?? []).map((one) => row("of the fleet", `${one.name}   ${count(one.documents)} documents`)),
    ...((fleet?.unfinished ?? 0) > 0
      ? [
          row(
            "",
            look.style(
              "yellow",
              `${count(fleet!.unfinished)} ranges are begun: what workers were paid and did not store is lost`,
            ),
          ),
        ]
      : []),
    ...(fleet?.queue ? [row("queue of ranges", fleet.queue)] : []),
    ...(fleet?.trouble
      ? [row("", look.style("yellow", `whether a fleet left something is not known: ${fleet.trouble}`))]
      : []),
    ...(plan.heldBy === null ? [] : [row("", look.style("yellow", `It is ${heldLine(plan)}`))]),
    ...(marksIn === null ? [] : [row("marks", `of this tenant in ${marksIn}: its items count as unprocessed then`)]),
    ...kept,
  ];
}
