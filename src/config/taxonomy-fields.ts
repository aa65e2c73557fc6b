import { FIELD_TYPES, type Field } from "../taxonomy.ts";
import type { Place, YamlReader } from "./yaml-reader.ts";

const LONGEST_PATTERN = 200;

/**
 * Reads the free fields of a taxonomy file:
 *
 * ```yaml
 * fields:
 *   order_number:
 *     type: string         # string, number, boolean or date
 *     description: the number of the order, if the customer names one
 *     pattern: "[A-Z]{2}\\d{6}"   # of a string: what all of it has to match
 *     required: false      # default
 *   refund_amount: number  # short for a map with this type
 * ```
 * @param checkId reports what is wrong with a name
 */
export function readFields(
  yaml: YamlReader,
  place: Place | undefined,
  checkId: (id: string, place: Place) => void,
): Field[] {
  if (place === undefined) return [];
  return (yaml.entries({ ...place, path: "fields" }) ?? []).map(({ key, value }) => {
    checkId(key, value);
    return readField(yaml, key, value);
  });
}

function readField(yaml: YamlReader, id: string, place: Place): Field {
  const said = id.replaceAll("_", " ");
  if (!yaml.isMap(place)) return { id, type: typeOf(yaml, place), description: said, required: false };
  const fields = yaml.fields(place, ["type", "description", "pattern", "required"]);
  const typePlace = fields.get("type");
  if (typePlace === undefined) yaml.problem(place, `type: expected ${FIELD_TYPES.join(", ")}; got nothing`);
  const type = typePlace === undefined ? "string" : typeOf(yaml, typePlace);
  const patternPlace = fields.get("pattern");
  const pattern = yaml.text(patternPlace);
  if (patternPlace !== undefined && pattern !== null) checkPattern(yaml, patternPlace, pattern, type);
  return {
    id,
    type,
    description: yaml.text(fields.get("description")) ?? said,
    required: yaml.flag(fields.get("required")) ?? false,
    ...(pattern === null ? {} : { pattern }),
  };
}

function typeOf(yaml: YamlReader, place: Place): Field["type"] {
  const given = yaml.scalar(place);
  const type = FIELD_TYPES.find((known) => known === given);
  if (type === undefined)
    yaml.problem(
      place,
      `expected ${FIELD_TYPES.join(", ")}; got ${given === null ? "something else" : JSON.stringify(given)}.${given === null ? "" : yaml.nearest(given, FIELD_TYPES)}`,
    );
  return type ?? "string";
}

function checkPattern(yaml: YamlReader, place: Place, pattern: string, type: Field["type"]): void {
  if (type !== "string") yaml.problem(place, `only a string has a pattern; this is a ${type}. Leave it out`);
  else if (pattern.length > LONGEST_PATTERN)
    yaml.problem(place, `expected at most ${LONGEST_PATTERN} characters; got ${pattern.length}`);
  else
    try {
      new RegExp(`^(?:${pattern})$`, "u");
    } catch {
      yaml.problem(place, "expected a regular expression of JavaScript (with the flag u); this is none");
    }
}
