import { z } from "zod";
import { REDACTION_KINDS, type RedactionKind, type RedactionSettings } from "../redaction/kinds.ts";
import { didYouMean } from "./nearest.ts";
import { integer, type OptionDefinition, shaped, toggle } from "./option.ts";

/** Which kinds, or all of them. */
type Kinds = "all" | readonly RedactionKind[];
type Redact = Kinds | { readonly kinds?: Kinds | undefined; readonly restore?: boolean | undefined };

const kinds = z.union([z.literal("all"), z.array(z.enum(REDACTION_KINDS)).min(1)]);
const redact: OptionDefinition<Redact | null> = {
  ...shaped<Redact | null>({
    flag: "--redact <kinds>",
    help: "what is masked in every text before it is sent or written to local state",
    expected: `all, a list of ${REDACTION_KINDS.join(", ")}, or {kinds, restore}`,
    schema: z.union([kinds, z.strictObject({ kinds: kinds.optional(), restore: z.boolean().optional() })]),
    default: null,
  }),
  advise: (given) => {
    const inside = typeof given === "object" && given !== null && "kinds" in given ? given.kinds : given;
    const words = (Array.isArray(inside) ? inside : [inside]).filter((word) => typeof word === "string");
    const unknown = words.find((word) => !["all", ...REDACTION_KINDS].includes(word));
    if (unknown === undefined) return "";
    const plain = unknown.toLowerCase().replace(/s$/, "");
    const part = REDACTION_KINDS.find((kind) => plain.length > 2 && (plain.includes(kind) || kind.includes(plain)));
    const meant = part === undefined ? didYouMean(unknown, REDACTION_KINDS) : ` Did you mean ${part}?`;
    return ` There is no kind ${JSON.stringify(unknown.slice(0, 40))}.${meant}`;
  },
  fromText: (text) => (text === "all" ? text : text.split(",").map((kind) => kind.trim())),
};

/** Settings of what comes before the model: masking, and answers that are there already. */
export const LANE_OPTIONS = {
  redact,
  "cache.enabled": toggle({ flag: "--no-cache", help: "ask the model again for texts it has answered", default: true }),
  "cache.maxMb": integer({
    help: "room for answers that are kept for equal texts; the longest unused go first",
    min: 1,
    max: 1_024,
    unit: "MB",
    default: 64,
  }),
  "cache.ttlDays": integer({
    help: "answers older than this are not used again, and removed",
    min: 1,
    max: 3_650,
    unit: "days",
    default: 30,
  }),
} as const;

/** @returns what is masked, in the order of the kinds; a list or `all` alone restores nothing */
export function redactionOf(redact: Redact | null): RedactionSettings {
  const isWhole = redact === null || redact === "all" || Array.isArray(redact);
  const { kinds = "all", restore = false } = (isWhole ? { kinds: redact ?? [] } : redact) as {
    kinds?: Kinds;
    restore?: boolean;
  };
  const wanted = REDACTION_KINDS.filter((kind) => kinds === "all" || kinds.includes(kind));
  return { kinds: wanted, restore, hooked: false };
}
