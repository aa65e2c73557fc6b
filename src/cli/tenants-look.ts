import { type Command, Option } from "commander";
import { readFiles } from "../config/load.ts";
import { chooseTenant, tenantNames } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import { batchDirOf, leftBehind } from "../tenants/list.ts";
import type { UsageRow } from "../tenants/usage.ts";
import { amount, count, type Look, left, money, right } from "./format.ts";
import { addOptions } from "./options.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";
import { readTenants, statusTable } from "./status-tenants.ts";
import { makeTenantsCommand } from "./tenants-command.ts";

type Flags = Readonly<Record<string, unknown>>;

/** `querymill tenants list`. */
export function listCommand(): Command {
  const command = makeTenantsCommand(
    "list",
    "Shows each tenant: who runs it, its weight, what is left to do, and what this month (UTC) has cost. Changes nothing.",
    "querymill tenants list\nquerymill tenants list --json",
    "[options]",
  );
  return addOptions(command, ["config", "batchDir", "json"]).action(async (flags: Flags) => {
    process.exitCode = await list(flags);
  });
}

/** `querymill tenants usage`. */
export function usageCommand(): Command {
  const command = makeTenantsCommand(
    "usage",
    "Says what each tenant used by month (UTC) and model: items, calls, tokens, cost. Read from local state, also while a run holds it.",
    "querymill tenants usage --month 2026-11\nquerymill tenants usage --csv > usage.csv",
    "[options]",
  );
  command.addOption(new Option("--month <yyyy-mm>", "only this month; default: all that are known"));
  command.addOption(new Option("--csv", "as CSV for a spreadsheet, on stdout"));
  return addOptions(command, ["tenant", "config", "batchDir", "json"]).action(async (flags: Flags) => {
    process.exitCode = await usage(flags);
  });
}

async function list(flags: Flags): Promise<number> {
  const told = await readTenants(flags);
  const batchDir = await batchDirOf({ flags, env: process.env, cwd: process.cwd() });
  const leftOver = await leftBehind(
    batchDir,
    told.map(({ name }) => name),
  );
  const screen = openScreen();
  if (flags.json === true)
    screen.json({ event: "tenants:list", time: new Date().toISOString(), tenants: told, leftBehind: leftOver });
  else if (told.length === 0)
    screen.print([`There are no tenants yet. Add one:  ${asTyped("querymill tenants add NAME")}`]);
  else
    screen.print([
      ...statusTable(told, screen.look),
      ...(leftOver.length === 0
        ? []
        : [
            "",
            `State without a section: ${leftOver.join(", ")}. Remove it:  ${asTyped("querymill tenants remove NAME")}`,
          ]),
    ]);
  return told.some(({ state }) => state === "unusable") ? 2 : 0;
}

async function usage({ month, csv, ...flags }: Flags): Promise<number> {
  if (month !== undefined && !/^\d{4}-(0[1-9]|1[0-2])$/.test(String(month)))
    throw new QuerymillError("USAGE", `--month: expected a month such as 2026-11; got "${String(month)}".`);
  if (csv === true && flags.json === true)
    throw new QuerymillError("USAGE", "--csv and --json exclude each other: one output has one form. Choose one.");
  const input = { flags, env: process.env, cwd: process.cwd() };
  const { file, variables } = await readFiles(input);
  const named = flags.tenant as string | undefined;
  if (named !== undefined) chooseTenant(file, named, variables);
  const names = named === undefined ? tenantNames(file) : [named];
  const { tenantUsage, usageCsv } = await import("../tenants/usage.ts");
  const batchDir = await batchDirOf(input);
  const rows: UsageRow[] = [];
  for (const tenant of names) rows.push(...(await tenantUsage(batchDir, tenant)));
  const wanted = rows.filter((row) => month === undefined || row.month === month);
  const screen = openScreen();
  if (flags.json === true)
    screen.json({ event: "tenants:usage", time: new Date().toISOString(), month: month ?? null, usage: wanted });
  else if (csv === true) process.stdout.write(usageCsv(wanted));
  else if (names.length === 0) screen.print(["There are no tenants."]);
  else if (wanted.length === 0)
    screen.print([`No tenant has used anything${month === undefined ? "" : ` in ${month}`}.`]);
  else screen.print(usageTable(wanted, screen.look));
  return 0;
}

function usageTable(rows: readonly UsageRow[], look: Look): string[] {
  const head = ["tenant", "month", "model", "items", "calls", "in", "cached", "out", "cost", "uncertain"];
  const cells = rows.map((row) => [
    row.tenant,
    row.month,
    row.model,
    count(row.items),
    count(row.calls),
    amount(row.inputTokens),
    row.cachedInputTokens > 0 ? amount(row.cachedInputTokens) : "",
    amount(row.outputTokens),
    row.unpricedCalls > 0 ? "?" : money(row.costUsd),
    row.uncertainUsd > 0 ? money(row.uncertainUsd) : "",
  ]);
  const widths = head.map((_, at) => Math.max(...[head, ...cells].map((row) => row[at]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, at) => (at < 3 ? left(text, widths[at]!) : right(text, widths[at]!)))
      .join("  ")
      .trimEnd();
  return [look.style("dim", line(head)), ...cells.map(line)];
}
