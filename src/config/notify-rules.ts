import type { Mode } from "../job.ts";
import { type QuietHours, WEEKDAYS } from "../notify/quiet-hours.ts";
import {
  defaultRules,
  type NotifyRulesSettings,
  RULE_NAMES,
  RULES,
  type RuleName,
  type Rules,
} from "../notify/rule-settings.ts";
import { shown } from "./file.ts";
import { didYouMean } from "./nearest.ts";
import { QUIET_FIELDS, RULE_FIELDS } from "./notify-rule-fields.ts";
import type { OptionTable } from "./option.ts";
import type { ResolvedOptions } from "./sources.ts";

type Options = Pick<ResolvedOptions, "get" | "name">;

/**
 * @param channels names of all channels
 * @param problems gets a sentence for everything that is wrong
 */
export function notifyRulesOf(
  options: Options,
  channels: readonly string[],
  mode: Mode,
  problems: string[],
): NotifyRulesSettings {
  const here = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const quietHours = quietHoursOf(options, here, problems);
  const given = options.get("notify.rules");
  for (const name of Object.keys(given))
    if (!Object.hasOwn(RULES, name))
      problems.push(
        `${options.name("notify.rules", [name])}: no such rule.${didYouMean(name, RULE_NAMES) || ` There are: ${RULE_NAMES.join(", ")}.`}`,
      );
  const defaults = defaultRules(quietHours[0]?.timezone ?? here);
  const rules = RULE_NAMES.map((name) => {
    const said = Object.hasOwn(given, name) ? given[name] : undefined;
    if (said === false || ((said === undefined || said === null) && !RULES[name].modes.includes(mode)))
      return [name, null];
    const settings =
      said === true || said === undefined || said === null ? {} : ruleOf(name, said, options, channels, problems);
    return [name, { ...defaults[name], ...settings }];
  });
  return {
    rules: Object.fromEntries(rules) as Rules,
    pacing: {
      quietHours,
      groupSeconds: options.get("notify.groupSeconds"),
      maxPerHour: options.get("notify.maxPerHour"),
    },
  };
}

function ruleOf(
  rule: RuleName,
  said: unknown,
  { name }: Options,
  channels: readonly string[],
  problems: string[],
): Record<string, unknown> {
  const at = (inside: readonly PropertyKey[]): string => name("notify.rules", [rule, ...inside]);
  const settings = group(said, RULE_FIELDS[rule], at, "true, false or a group of settings", problems);
  for (const [index, channel] of ((settings.channels as readonly string[] | undefined) ?? []).entries())
    if (!channels.includes(channel)) {
      const known =
        channels.length === 0 ? "There are no channels: add notify.channels." : `There are: ${channels.join(", ")}.`;
      problems.push(
        `${at(["channels", index])}: there is no channel ${shown(channel)}.${didYouMean(channel, channels)} ${known}`,
      );
    }
  return settings;
}

function quietHoursOf({ get, name }: Options, here: string, problems: string[]): QuietHours[] {
  const given = get("notify.quietHours");
  if (given === null) return [];
  const list = (Array.isArray(given) ? given : [given]) as readonly unknown[];
  return list.flatMap((one, index) => {
    const at = (inside: readonly PropertyKey[]): string =>
      name("notify.quietHours", Array.isArray(given) ? [index, ...inside] : inside);
    const { from, to, timezone, days } = group(one, QUIET_FIELDS, at, "a group with from and to", problems);
    for (const [field, value] of Object.entries({ from, to }))
      if (value === undefined && (one as Record<string, unknown>)[field] === undefined)
        problems.push(
          `${at([])}: ${field} is missing. Quiet hours need from and to, such as from: "22:00", to: "07:00".`,
        );
    if (from === undefined || to === undefined) return [];
    return [{ from, to, timezone: timezone ?? here, days: days ?? WEEKDAYS } as QuietHours];
  });
}

/** What a group of settings says, as far as it is right. */
function group(
  said: unknown,
  fields: OptionTable,
  at: (inside: readonly PropertyKey[]) => string,
  expected: string,
  problems: string[],
): Record<string, unknown> {
  if (typeof said !== "object" || said === null || Array.isArray(said)) {
    problems.push(`${at([])}: expected ${expected}; got ${shown(said)}.`);
    return {};
  }
  const right = Object.entries(said).filter(([key, value]) => {
    if (!Object.hasOwn(fields, key)) {
      const known = Object.keys(fields);
      problems.push(`${at([key])}: no such setting.${didYouMean(key, known) || ` Known here: ${known.join(", ")}.`}`);
      return false;
    }
    const { schema, expected } = fields[key]!;
    if (value === null || value === undefined) return false;
    if (schema.safeParse(value).success) return true;
    const words = Array.isArray(value) ? JSON.stringify(value).slice(0, 100) : shown(value);
    problems.push(`${at([key])}: expected ${expected}; got ${words}.`);
    return false;
  });
  return Object.fromEntries(right);
}
