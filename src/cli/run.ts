import type { Command } from "commander";
import { maySpend } from "../config/confirmation.ts";
import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { refuseForAll } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import { tenantsHere } from "./job-command.ts";
import { addOptions, JOB_OPTIONS, makeCommand, RUN_OPTIONS, retype } from "./options.ts";
import { ONCE } from "./program.ts";
import { type SuperviseOptions, supervise } from "./supervise.ts";

/** `querymill run`: the main job. */
export function runCommand(): Command {
  const command = makeCommand(
    "run",
    "Classifies what is not classified yet and goes on where the last run ended.",
    `querymill run --store mongodb://localhost/support --model openai/gpt-5-mini --budget 10
querymill run --model offline --limit 100
querymill run --input tickets.csv --output classified.csv --model openai/gpt-5-mini`,
  );
  return addOptions(command, RUN_OPTIONS).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await run(flags);
  });
}

async function run(flags: Record<string, unknown>): Promise<number> {
  const cwd = process.cwd();
  if (flags.tenant === undefined) {
    const names = await tenantsHere(flags);
    if (names.length > 0) {
      refuseForAll(flags, names);
      return await (await import("./run-tenants.ts")).runTenants(flags, names);
    }
  }
  const load = (): Promise<LoadedSettings> => loadSettings({ flags, env: process.env, cwd });
  const loaded = await load();
  if (loaded.tenant !== null) await refuseTenant(loaded, flags);
  const { input } = loaded.files;
  if (input !== null) {
    const { runFile } = await import("./run-file.ts");
    return await runFile(loaded, input, (settings, more) =>
      start(flags, { ...loaded, ...more, settings }, { ...more, reread: { loaded, load } }),
    );
  }
  return await start(flags, loaded, { reread: { loaded, load } });
}

/** @throws QuerymillError when the tenant is paused, or in the way of another one */
async function refuseTenant({ settings, tenant }: LoadedSettings, flags: Record<string, unknown>): Promise<void> {
  if (tenant?.paused === true)
    throw new QuerymillError(
      "USAGE",
      `Tenant ${settings.tenant} is paused, so it does not run. Let it go on:  querymill tenants resume ${settings.tenant}`,
    );
  const { refuseConflicts } = await import("../tenants/list.ts");
  const { refuseRemoved } = await import("../tenants/removal.ts");
  await refuseRemoved(settings.batchDir, settings.tenant);
  await refuseConflicts({ flags, env: process.env, cwd: process.cwd() }, settings);
}

/** @param file what is different where the items are the rows of a file, and how settings are read again */
async function start(
  flags: Record<string, unknown>,
  {
    settings,
    output,
    service,
    confirmation,
    notes,
  }: Pick<LoadedSettings, "settings" | "output" | "service" | "confirmation"> & Pick<SuperviseOptions, "notes">,
  file: Partial<SuperviseOptions> = {},
): Promise<number> {
  if (settings.dryRun) {
    const { dryRunCommand } = await import("./dry-run.ts");
    return await dryRunCommand(settings, output, notes);
  }
  const { prepareExecution } = await import("../jobs/wiring.ts");
  const spending = maySpend(settings, confirmation)
    ? await (await import("./before-spending.ts")).beforeSpending(settings, output, confirmation)
    : null;
  if (spending?.goOn === false) return 0;
  return supervise(await prepareExecution(settings), {
    settings,
    output,
    service,
    later: spending?.later ?? null,
    jobFlags: retype(
      flags,
      JOB_OPTIONS.filter((key) => key !== "json"),
    ),
    modelFlags: retype(flags, ["model", "baseUrl", "taxonomy"]),
    again: `querymill run ${retype(
      flags,
      RUN_OPTIONS.filter((key) => !ONCE.has(key)),
    )}`.trimEnd(),
    ...file,
    notes,
  });
}
