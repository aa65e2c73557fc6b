import { QuerymillError } from "../errors.ts";
import type { Share } from "../job.ts";
import type { ConfigText, TenantText } from "./file.ts";
import { didYouMean } from "./nearest.ts";
import { OWN_KEY } from "./provider-key.ts";
import type { OptionKey } from "./schema.ts";
import type { Variables } from "./sources.ts";
import { NOT_HANDED_DOWN, RIVALS, TENANT_FIELDS } from "./tenant-fields.ts";

/** A tenant's section over the rest of the file. */
export interface ChosenTenant {
  readonly name: string;
  /** The file as it is for this tenant. */
  readonly file: ConfigText;
  /** Variables as they are for this tenant: its key and its store in place of the usual ones. */
  readonly variables: Variables;
  readonly share: Share;
  readonly paused: boolean;
  readonly problems: readonly string[];
}

/** Typed settings that would make several tenants one job. */
const ONE_JOB = ["job", "targetCollection"] as const;

/** @returns the names of the tenants of a file, in its order; empty without any */
export function tenantNames(file: Pick<ConfigText, "tenants"> | null): string[] {
  return [...(file?.tenants?.keys() ?? [])];
}

/**
 * The tenant that is meant. null: the file has none.
 * @param named what `--tenant` says
 * @throws QuerymillError USAGE when it is not there, or not said which one is meant
 */
export function chooseTenant(
  file: ConfigText | null,
  named: string | undefined,
  variables: Variables,
): ChosenTenant | null {
  const names = tenantNames(file);
  if (names.length === 0) {
    if (named === undefined) return null;
    throw new QuerymillError(
      "USAGE",
      `--tenant ${named}: there are no tenants in the settings. Add one:  querymill tenants add ${named}`,
    );
  }
  if (named === undefined)
    throw new QuerymillError(
      "USAGE",
      `There are ${names.length} tenants in the settings, and this is about one of them: say which with --tenant NAME. There are: ${names.join(", ")}.`,
    );
  const section = file!.tenants!.get(named);
  if (section === undefined)
    throw new QuerymillError(
      "USAGE",
      `--tenant ${named}: there is no such tenant.${didYouMean(named, names)} There are: ${names.join(", ")}.`,
    );
  return tenantOf(named, section, file!, variables);
}

/** @throws QuerymillError USAGE: these flags are about one job, and all tenants are meant */
export function refuseForAll(flags: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const typed = ONE_JOB.filter((key) => flags[key] !== undefined);
  if (typed[0] === undefined) return;
  const flag = `--${typed[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new QuerymillError(
    "USAGE",
    `${flag} is about one job, and there are ${names.length} tenants: ${names.join(", ")}. Name one with --tenant.`,
  );
}

function tenantOf(name: string, section: TenantText, file: ConfigText, variables: Variables): ChosenTenant {
  const { own, values, where } = section;
  const problems: string[] = [];
  const share = {
    weight: (own.get("weight") as number | undefined) ?? TENANT_FIELDS.weight.default,
    floor: (own.get("floor") as number | undefined) ?? null,
    ceiling: (own.get("ceiling") as number | undefined) ?? null,
  };
  if (share.floor !== null && share.ceiling !== null && share.floor > share.ceiling)
    problems.push(`${where("floor")}: ${share.floor} calls are more than its ceiling of ${share.ceiling}. Lower it.`);
  const mapped = new Map<string, string | undefined>();
  for (const [field, usual] of [
    ["keyVariable", OWN_KEY],
    ["storeVariable", "MONGODB_URI"],
  ] as const) {
    const variable = own.get(field) as string | undefined;
    if (variable === undefined) continue;
    const value = variables(variable);
    if (value === undefined)
      problems.push(`${where(field)}: the variable ${variable} is not set. Set it in the environment or in .env.`);
    mapped.set(usual, value);
  }
  // A store of its own is meant for this tenant alone: the one that is there for all does not win over it.
  if (!mapped.has("MONGODB_URI") && values.has("store")) mapped.set("MONGODB_URI", undefined);
  return {
    name,
    file: overlay(file, section),
    variables: (variable) => (mapped.has(variable) ? mapped.get(variable) : variables(variable)),
    share,
    paused: own.get("paused") === true,
    problems,
  };
}

function overlay(file: ConfigText, { values, own, where }: TenantText): ConfigText {
  const rivals = new Set<OptionKey>(
    RIVALS.filter((group) => group.some((key) => values.has(key))).flatMap((group) =>
      group.filter((key) => !values.has(key)),
    ),
  );
  if (own.has("storeVariable")) rivals.add("store");
  const handedDown = [...file.values].filter(([key]) => !NOT_HANDED_DOWN.has(key) && !rivals.has(key));
  return {
    values: new Map([...handedDown, ...values]),
    where: (key, inside) => (values.has(key) ? where(key, inside) : file.where(key, inside)),
    problems: file.problems,
    tenants: null,
  };
}
