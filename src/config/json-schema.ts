import { z } from "zod";
import { quietHoursShape, rulesShape } from "./notify-rule-fields.ts";
import type { OptionDefinition, OptionTable } from "./option.ts";
import { OPTIONS } from "./schema.ts";
import { TENANT_TABLE } from "./tenant-fields.ts";

/** A JSON schema, draft 2020-12. */
export type JsonSchemaObject = Readonly<Record<string, unknown>>;

const DRAFT = "https://json-schema.org/draft/2020-12/schema";

/**
 * @returns the JSON schema of `querymill.yaml`, made from the table of options: what each setting may be, its help, unit
 * and default. Editors complete and check by it; what depends on other settings is checked when the file is loaded.
 */
export function settingsSchema(): JsonSchemaObject {
  return {
    $schema: DRAFT,
    title: "querymill.yaml",
    description: "Settings of Querymill. Every setting is optional.",
    ...objectOf(OPTIONS),
  };
}

/** @returns the JSON schema of a taxonomy file, as `config/taxonomy.ts` reads it */
export function taxonomySchema(): JsonSchemaObject {
  const id = { type: "string", pattern: "^[a-z0-9][a-z0-9_]{0,63}$" };
  const texts = { type: "array", items: { type: "string" } };
  const label = {
    type: "object",
    additionalProperties: false,
    properties: {
      id: { ...id, description: "what is stored: lower-case letters, digits, _" },
      description: { type: "string", description: "what belongs here, in one line" },
      aliases: { ...texts, description: "other spellings that are taken for this label" },
      examples: { ...texts, description: "texts that deserve this label" },
      parent: { ...id, description: "of a subcategory: the category it belongs to" },
    },
  };
  const dimension = {
    type: "object",
    additionalProperties: false,
    required: ["labels"],
    properties: {
      description: { type: "string", description: "the question, in one line" },
      choose: { enum: ["one", "many"], default: "one", description: "one label, or a list of all that apply" },
      required: {
        type: "boolean",
        description: "an answer is needed (default: true for category, false for others)",
      },
      labels: {
        description: "at least two: a list of ids or labels, or a map of id and description",
        anyOf: [
          { type: "array", minItems: 2, items: { anyOf: [id, { ...label, required: ["id"] }] } },
          {
            type: "object",
            minProperties: 2,
            propertyNames: id,
            additionalProperties: { anyOf: [{ type: "string" }, label] },
          },
        ],
      },
    },
  };
  return {
    $schema: DRAFT,
    title: "Querymill taxonomy",
    description: "What is asked of every query.",
    type: "object",
    additionalProperties: false,
    required: ["dimensions"],
    properties: {
      name: { type: "string", description: "default: the file's name" },
      summary: { type: "boolean", default: true, description: "ask for a one-sentence summary" },
      alternatives: { type: "boolean", default: true, description: "ask for other likely categories" },
      dimensions: {
        type: "object",
        required: ["category"],
        properties: { category: dimension },
        propertyNames: id,
        additionalProperties: dimension,
        description:
          "category has to be there; subcategory, sentiment and urgency have fields of their own in a record",
      },
    },
  };
}

/** @returns the words that an option may be; none when it takes no words or any */
export function allowedWords(definition: OptionDefinition<unknown>): readonly string[] {
  const { enum: words, anyOf } = valueSchema(definition) as { enum?: string[]; anyOf?: { const?: string }[] };
  return words ?? anyOf?.flatMap((one) => one.const ?? []) ?? [];
}

function objectOf(table: OptionTable): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const [key, definition] of Object.entries(table)) {
    if (!definition.inFile) continue;
    const [group, member] = key.split(".") as [string, string | undefined];
    if (member === undefined) properties[group] = propertyOf(definition);
    else {
      const there = properties[group] as { properties: Record<string, unknown> } | undefined;
      properties[group] = {
        type: ["object", "null"],
        additionalProperties: false,
        properties: { ...there?.properties, [member]: propertyOf(definition) },
      };
    }
  }
  return { type: "object", additionalProperties: false, properties };
}

function propertyOf(definition: OptionDefinition<unknown>): Record<string, unknown> {
  if (definition === OPTIONS.tenants) return tenantsSchema(definition.help);
  const { help, unit, default: fallback, flag, fields } = definition;
  const mentionsUnit = unit === null || help.includes(unit);
  const flagged = flag === null ? "" : ` (${flag.split(" ")[0]})`;
  return {
    description: `${help}${mentionsUnit ? "" : `; in ${unit}`}${flagged}`,
    ...orNull(fields === undefined ? valueSchema(definition) : { type: "array", minItems: 1, items: objectOf(fields) }),
    ...(fallback === null ? {} : { default: fallback }),
  };
}

/** Sections by name, each with the settings of a job and those of a tenant. */
function tenantsSchema(description: string): Record<string, unknown> {
  return {
    description,
    type: ["object", "null"],
    minProperties: 1,
    maxProperties: 500,
    propertyNames: { type: "string", pattern: "^(?!(default|demo)$)[a-z0-9][a-z0-9_-]{0,63}$" },
    additionalProperties: { ...objectOf(TENANT_TABLE), type: ["object", "null"] },
  };
}

/** Values whose members are checked when the settings are resolved: an editor checks them at once. */
const CLOSER = new Map<OptionDefinition<unknown>, () => z.ZodType>([
  [OPTIONS["notify.rules"], rulesShape],
  [OPTIONS["notify.quietHours"], quietHoursShape],
]);

function valueSchema(definition: OptionDefinition<unknown>): Record<string, unknown> {
  const schema = CLOSER.get(definition)?.() ?? definition.schema;
  const { $schema: _, ...found } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return found;
}

/** A setting with nothing behind its name is not set. */
function orNull(schema: Record<string, unknown>): Record<string, unknown> {
  if (Array.isArray(schema.enum)) return { enum: [...schema.enum, null] };
  if (Array.isArray(schema.anyOf)) return { ...schema, anyOf: [...schema.anyOf, { type: "null" }] };
  return typeof schema.type === "string" ? { ...schema, type: [schema.type, "null"] } : schema;
}
