import { z } from "zod";
import { MARK_FIELDS, type MessagesMapping, SOURCE_PRESETS } from "../job.ts";
import { choice, integer, type OptionDefinition, shaped, text } from "./option.ts";

/** What the URI of a store may be. */
export const STORE = "mongodb://…, mongodb+srv://… or the path of a file";
/** What the name of a database may be. */
export const DATABASE = {
  expected: 'a database name without blanks and /\\."$*<>:|?',
  pattern: /^[^/\\. "$*<>:|?\0]{1,63}$/,
};
const FIELD = /^(?!_id$)[^$.\0\s][^.\0]{0,99}$/;
const path = z.string().min(1).max(500);
const messagesMapping = z.strictObject({
  path,
  text: z.union([path, z.array(path).min(1).max(50)]).optional(),
  role: path.optional(),
  customer: z.array(z.coerce.string().min(1)).min(1).max(100).optional(),
  private: path.optional(),
  time: path.optional(),
});

/** What the documents look like, and how settled ones are marked: part of the table in `schema.ts`. */
export const SOURCE_OPTIONS = {
  "source.uri": uri("--source-uri <uri>", "store of the source, when it is not --store"),
  "source.db": database("--source-db <name>", "database of the source, when it is not --db"),
  "target.uri": uri("--target-uri <uri>", "store of the target, when it is not --store"),
  "target.db": database("--target-db <name>", "database of the target, when it is not --db"),
  "source.preset": choice({
    flag: "--preset <name>",
    help: "the source holds exported tickets, conversations or mail threads of this kind",
    choices: SOURCE_PRESETS,
    default: null,
  }),
  "source.messages": shaped<MessagesMapping | null>({
    help: "where a conversation is: path of the list, and in each message text, role, customer, private, time",
    expected:
      "a group with path, and optionally text, role, customer (a list), private and time, such as {path: thread.items, text: body, role: author.kind}",
    schema: messagesMapping,
    default: null,
  }),
  "source.text": shaped<string | readonly string[] | null>({
    help: "where the text is: a path, a list of paths, or a template with {path}",
    expected: "a path, a list of paths, or a template with {path}",
    schema: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(50)]),
    default: null,
  }),
  "source.maxChars": integer({
    help: "longest text sent; a longer one is cut in the middle",
    min: 200,
    max: 1_000_000,
    unit: "UTF-16 units",
    default: 24_000,
  }),
  "mark.in": choice({
    flag: "--mark <side>",
    help: "where settled items are noted: in the source's documents, or in the target when the source may not be written",
    choices: ["source", "target"],
    default: "source",
  }),
  "mark.processed": markField("processed", "field of the source that says an item is settled"),
  "mark.processedAt": markField("processedAt", "field of the source with the time"),
  "mark.processedBy": markField("processedBy", "field of the source with job, execution and outcome"),
} as const;

function uri(flag: string, help: string): OptionDefinition<string | null> {
  return text({ flag, help, expected: STORE, default: null });
}

function database(flag: string, help: string): OptionDefinition<string | null> {
  return text({ flag, help, expected: DATABASE.expected, pattern: DATABASE.pattern, default: null });
}

function markField(name: keyof typeof MARK_FIELDS, help: string): OptionDefinition<string> {
  return text({ help, expected: "a field name without dots", pattern: FIELD, default: MARK_FIELDS[name] });
}
