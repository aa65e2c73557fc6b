import { z } from "zod";
import { didYouMean } from "./nearest.ts";
import { type OptionDefinition, shaped } from "./option.ts";

/** Where a secret is: a variable (environment or .env), or a file that only this user may read. */
const VARIABLE = z.string().regex(/^[A-Z_][A-Z0-9_]{0,99}$/);
const FILE = z.string().min(1);
const MAIL_ADDRESS = z
  .string()
  .max(254)
  .regex(/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$/);
/** Without user, password and fragment. */
const WEB_ADDRESS = z.string().regex(/^https?:\/\/[^\s@#]+$/);
const MAIL_SERVER = z.string().regex(/^smtps?:\/\/[^\s@#/?]+\/?$/);

const address = { urlVariable: VARIABLE.optional(), urlFile: FILE.optional() };
const SHAPES = {
  webhook: z.strictObject({
    type: z.literal("webhook"),
    url: WEB_ADDRESS.optional(),
    ...address,
    secretVariable: VARIABLE.optional(),
    secretFile: FILE.optional(),
    oldSecretVariable: VARIABLE.optional(),
    oldSecretFile: FILE.optional(),
  }),
  slack: z.strictObject({ type: z.literal("slack"), ...address }),
  discord: z.strictObject({ type: z.literal("discord"), ...address }),
  teams: z.strictObject({ type: z.literal("teams"), ...address }),
  pagerduty: z.strictObject({
    type: z.literal("pagerduty"),
    url: WEB_ADDRESS.optional(),
    keyVariable: VARIABLE.optional(),
    keyFile: FILE.optional(),
  }),
  email: z.strictObject({
    type: z.literal("email"),
    url: MAIL_SERVER.optional(),
    ...address,
    from: MAIL_ADDRESS,
    to: z.union([MAIL_ADDRESS, z.array(MAIL_ADDRESS).min(1).max(20)]),
  }),
} as const;

type ShapeName = keyof typeof SHAPES;
export type ChannelOptions = { [T in ShapeName]: z.infer<(typeof SHAPES)[T]> }[ShapeName];

const TYPES = Object.keys(SHAPES) as ShapeName[];
const { webhook, slack, discord, teams, pagerduty, email } = SHAPES;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;

const channels: OptionDefinition<Readonly<Record<string, ChannelOptions>>> = {
  ...shaped<Readonly<Record<string, ChannelOptions>>>({
    help: "where notifications can go, by name",
    expected: "channels by name, such as team: {type: slack, urlVariable: SLACK_URL}",
    schema: z.record(
      z.string().regex(NAME),
      z.discriminatedUnion("type", [webhook, slack, discord, teams, pagerduty, email]),
    ),
    default: {},
  }),
  secret: true,
  advise,
};

/** Settings of where notifications go. */
export const NOTIFY_CHANNEL_OPTIONS = {
  "notify.channels": channels,
  "notify.allowPrivate": shaped<readonly string[]>({
    help: "hosts inside of your own network that notifications may go to, also by http",
    expected: "a list of host names or addresses, such as [alerts.intern, 10.0.0.5]",
    schema: z.array(z.string().regex(/^[A-Za-z0-9:._-]{1,253}$/)).max(100),
    default: [],
  }),
} as const;

/** What each field takes, where the name does not say it. */
const FIELDS: Readonly<Record<string, string>> = {
  type: `It is one of ${TYPES.join(", ")}.`,
  from: "It is one mail address, such as mill@example.org.",
  to: "It is a mail address or a list of up to 20, such as [ops@example.org].",
};

/**
 * @param given a channel, or a value inside of one, that was refused
 * @param path to it: `notify`, `channels`, its name, and the field
 */
function advise(given: unknown, path: readonly PropertyKey[] = []): string {
  const field = path.length > 3 ? String(path[3]) : null;
  if (field !== null) {
    if (field === "type" && typeof given === "string")
      return ` There is no type ${JSON.stringify(given.slice(0, 40))}.${didYouMean(given, TYPES) || ` ${FIELDS.type}`}`;
    if (/(Variable|File)$/.test(field))
      return " It is the name of a variable or file; what is secret goes there, not here.";
    if (field === "url" && !(typeof given === "string" && given.includes("://")))
      return " It begins with https:// or http://, that of a mail server with smtps:// or smtp://.";
    if (field === "url")
      return " An address with a user, a password or another protocol does not belong here: put it in a variable (environment or .env) and name that in urlVariable.";
    return FIELDS[field] === undefined ? "" : ` ${FIELDS[field]}`;
  }
  if (path.length === 3 && !NAME.test(String(path[2])))
    return " A name has letters, digits, . _ - (at most 40, the first one a letter or digit).";
  if (typeof given !== "object" || given === null || Array.isArray(given)) return "";
  const { type } = given as { type?: unknown };
  if (typeof type !== "string" || !Object.hasOwn(SHAPES, type)) return "";
  const known = Object.keys(SHAPES[type as ShapeName].shape);
  const unknown = Object.keys(given).find((each) => !known.includes(each));
  if (unknown === undefined) return "";
  if (unknown === "url" || (/key|token|secret|password/i.test(unknown) && !/var|file/i.test(unknown)))
    return ` ${unknown} would be a secret in a file: put it in a variable (environment or .env) and name that in ${known.find((each) => each.endsWith("Variable"))}.`;
  return ` ${type} has no ${unknown}.${didYouMean(unknown, known) || ` It has: ${known.join(", ")}.`}`;
}
