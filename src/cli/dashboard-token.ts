import { type Command, Option } from "commander";
import { readFiles } from "../config/load.ts";
import { chooseTenant, tenantNames } from "../config/tenants.ts";
import type { MadeToken } from "../dashboard/token-file.ts";
import { QuerymillError } from "../errors.ts";
import { batchDirOf } from "../tenants/list.ts";
import { count, left, printable } from "./format.ts";
import { addOptions, makeCommand } from "./options.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";

type Flags = Readonly<Record<string, unknown>>;

/** `querymill dashboard token`: links for others. */
export function tokenCommand(): Command {
  const command = makeCommand(
    "token",
    "Makes, lists and removes tokens of the dashboard, each for somebody: for all or one tenant, to look only or not.",
    `querymill dashboard token add --name ann --tenant sales --read-only
querymill dashboard token list
querymill dashboard token remove ann`,
  );
  command.configureHelp({ commandUsage: () => "querymill dashboard token <command> [options]" });
  command.helpCommand(false);
  return command.addCommand(addCommand()).addCommand(listCommand()).addCommand(removeCommand());
}

function addCommand(): Command {
  const command = makeCommand(
    "add",
    "Makes a token and shows it once: only its hash is kept, in the batch directory. It opens the dashboards of that directory until it is removed.",
    `querymill dashboard token add --name ann --tenant sales
querymill dashboard token add --name "board screen" --read-only`,
  );
  command.configureHelp({ commandUsage: () => "querymill dashboard token add [options]" });
  command.addOption(new Option("--name <who>", "whose it is, for the list"));
  command.addOption(new Option("--read-only", "it may look and change nothing"));
  return addOptions(command, ["tenant", "config", "batchDir", "json"]).action(async (_: Flags, self: Command) => {
    process.exitCode = await add(self.optsWithGlobals());
  });
}

function listCommand(): Command {
  const command = makeCommand(
    "list",
    "Shows whose tokens there are; never the tokens.",
    "querymill dashboard token list",
  );
  command.configureHelp({ commandUsage: () => "querymill dashboard token list [options]" });
  return addOptions(command, ["tenant", "config", "batchDir", "json"]).action(async (_: Flags, self: Command) => {
    process.exitCode = await list(self.optsWithGlobals());
  });
}

function removeCommand(): Command {
  const command = makeCommand(
    "remove",
    "Removes a token. Its sessions end at once.",
    "querymill dashboard token remove ann\nquerymill dashboard token remove 3fa85f6457",
  );
  command.configureHelp({ commandUsage: () => "querymill dashboard token remove <name or id> [options]" });
  command.argument("<which>", "its id, or the name of whom it is");
  return addOptions(command, ["tenant", "config", "batchDir", "json"]).action(
    async (which: string, _: Flags, self: Command) => {
      process.exitCode = await remove(which, self.optsWithGlobals());
    },
  );
}

async function add(flags: Flags): Promise<number> {
  const { name, readOnly, tenant } = flags as { name?: string; readOnly?: boolean; tenant?: string };
  const { file } = await readFiles({ flags, env: process.env, cwd: process.cwd() });
  if (tenant !== undefined && !tenantNames(file).includes(tenant)) chooseTenant(file, tenant, () => undefined);
  const role = readOnly === true ? "reader" : "operator";
  const tokens = await tokensOf(flags);
  const { token, made } = await tokens.add({ name: name ?? null, tenant: tenant ?? null, role });
  const screen = openScreen();
  const place = made.tenant === null ? "" : `t/${made.tenant}/`;
  if (flags.json === true) screen.json({ event: "dashboard:token", time: made.createdAt, ...shown(made), token });
  else
    screen.print([
      `${wordsOf(made)}. It is shown this once:`,
      "",
      `  ${token}`,
      "",
      `The link is that of the dashboard with it:  http://127.0.0.1:7412/${place}#token=${token}`,
      `Take it back:  ${asTyped(`querymill dashboard token remove ${made.id}`)}`,
    ]);
  return 0;
}

async function list(flags: Flags): Promise<number> {
  const all = (await tokensOf(flags))
    .list()
    .filter(({ tenant }) => flags.tenant === undefined || tenant === flags.tenant);
  const screen = openScreen();
  if (flags.json === true) {
    screen.json({ event: "dashboard:tokens", time: new Date().toISOString(), tokens: all.map(shown) });
    return 0;
  }
  const rows = all.map((one) => [
    one.id,
    printable(one.name ?? "nobody named"),
    one.tenant ?? "all",
    one.role,
    one.createdAt.slice(0, 16).replace("T", " "),
  ]);
  const widths = [0, 1, 2, 3].map((at) => Math.max(0, ...rows.map((row) => row[at]!.length)));
  screen.print(
    rows.length === 0
      ? [`There are no tokens yet. Make one:  ${asTyped("querymill dashboard token add --name WHO")}`]
      : rows.map((row) => `  ${row.map((text, at) => left(text, widths[at] ?? 0)).join("  ")}`.trimEnd()),
  );
  return 0;
}

async function remove(which: string, flags: Flags): Promise<number> {
  const tokens = await tokensOf(flags);
  const isMeant = ({ id, name, tenant }: MadeToken): boolean =>
    (id === which || name === which) && (flags.tenant === undefined || tenant === flags.tenant);
  const gone = await tokens.remove(isMeant);
  if (gone.length === 0)
    throw new QuerymillError(
      "USAGE",
      `There is no token ${JSON.stringify(which)}. What there is:  querymill dashboard token list`,
    );
  const screen = openScreen();
  if (flags.json === true)
    screen.json({ event: "dashboard:token-removed", time: new Date().toISOString(), tokens: gone.map(shown) });
  else screen.print([`${count(gone.length)} removed; ${gone.length === 1 ? "its" : "their"} sessions have ended.`]);
  return 0;
}

async function tokensOf(flags: Flags): Promise<import("../dashboard/token-file.ts").TokenFile> {
  const { TokenFile } = await import("../dashboard/token-file.ts");
  return new TokenFile(await batchDirOf({ flags, env: process.env, cwd: process.cwd() }));
}

const shown = ({ hash: _, ...one }: MadeToken): Omit<MadeToken, "hash"> => one;

function wordsOf({ id, name, tenant, role }: MadeToken): string {
  const whom = name === null ? "" : ` for ${name}`;
  const what = tenant === null ? "all that the dashboard shows" : `tenant ${tenant}`;
  return `Token ${id}${whom}, ${role === "reader" ? "to look at" : "to look at and control"} ${what}`;
}
