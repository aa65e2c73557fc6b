import { listTenants } from "../tenants/list.ts";
import { type TenantStatus, tenantStatus } from "../tenants/status.ts";
import { clip, count, type Look, left, money, printable, right, type StyleFormat } from "./format.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";

type Flags = Readonly<Record<string, unknown>>;

/** `querymill status` where the settings have tenants: a line for each. */
export async function tenantsStatus(flags: Flags): Promise<number> {
  const told = await readTenants(flags);
  const screen = openScreen();
  if (flags.json === true) screen.json({ event: "status", time: new Date().toISOString(), tenants: told });
  else
    screen.print([...statusTable(told, screen.look), "", `One in full:  ${asTyped("querymill status --tenant NAME")}`]);
  return 0;
}

/** How all tenants of the settings stand. @throws QuerymillError CONFIG_INVALID */
export async function readTenants(flags: Flags): Promise<TenantStatus[]> {
  const all = await listTenants({ flags, env: process.env, cwd: process.cwd(), needsModel: false });
  return await Promise.all(all.map((one) => tenantStatus(one, Date.now())));
}

const FORMATS: Readonly<Record<TenantStatus["state"], StyleFormat>> = {
  running: "green",
  waiting: "green",
  paused: "yellow",
  idle: "dim",
  unclean: "red",
  unusable: "red",
};

/** A head, and a line for each: how it is, its share, what is left, what this month has cost. */
export function statusTable(tenants: readonly TenantStatus[], look: Look): string[] {
  const head = ["tenant", "state", "weight", "left", "settled", "failed", "this month", ""];
  const rows = tenants.map((one) => cellsOf(one));
  const widths = head.map((text, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length), text.length));
  const line = (cells: readonly string[], format: StyleFormat | null): string => {
    const [name = "", state = "", ...figures] = cells;
    const what = figures.pop()!;
    const padded = left(state, widths[1]!);
    const start = [
      left(name, widths[0]!),
      format === null ? padded : look.style(format, padded),
      ...figures.map((text, at) => right(text, widths[at + 2]!)),
    ].join("  ");
    return what === "" ? start : `${start}  ${clip(what, 200, look.ascii)}`;
  };
  return [
    look.style("dim", line(head, null).trimEnd()),
    ...rows.map((cells, at) => line(cells, FORMATS[tenants[at]!.state])),
  ];
}

function cellsOf(one: TenantStatus): string[] {
  const pid = one.pid === null ? "" : ` ${one.pid}`;
  const last = one.lastEnd === null ? "" : `exit ${one.lastEnd.exitCode}`;
  return [
    one.name,
    `${one.state}${pid}`,
    one.share === null ? "" : String(one.share.weight),
    one.left === null ? "?" : count(one.left),
    count(one.settled),
    one.retryQueued + one.deadLetters > 0 ? count(one.retryQueued + one.deadLetters) : "",
    money(one.monthUsd),
    one.problem === null ? (one.pid === null ? last : "") : printable(one.problem.split("\n")[0]!),
  ];
}
