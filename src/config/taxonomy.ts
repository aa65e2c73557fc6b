import { QuerymillError } from "../errors.ts";
import { normalised } from "../llm/label-lookup.ts";
import { type Dimension, type Label, type Taxonomy, taxonomyVersion } from "../taxonomy.ts";
import { readFields } from "./taxonomy-fields.ts";
import { openYaml, type Place, type YamlReader } from "./yaml-reader.ts";

const MAX_BYTES = 1_000_000;
const MAX_PROBLEMS = 10;
const ID = /^[a-z0-9][a-z0-9_]{0,63}$/;
/** Fields of the answer beside the dimensions, and names that every JavaScript object has. */
const RESERVED_DIMENSIONS = /^(?:language|summary|alternatives|labels|id|confidence(?:_.*)?|constructor|prototype)$/;
const RESERVED_LABELS = /^(?:null|constructor|prototype)$/;
/** These have a field of their own in the record, which holds one label. */
const SINGLE = ["category", "subcategory", "sentiment", "urgency"];

/**
 * Reads a taxonomy file, YAML or JSON:
 *
 * ```yaml
 * name: my-shop          # default: the file's name
 * summary: true          # ask for a summary; default true
 * alternatives: true     # ask for other likely categories; default true
 * dimensions:
 *   category:            # has to be there
 *     description: what the customer needs
 *     choose: one        # or many; default one
 *     required: true     # default true for category, false for others
 *     labels:            # at least two: a list of ids, a list as here, or a map `id: description`
 *       - id: billing
 *         description: charges, invoices
 *         aliases: [payment]
 *         examples: ["I was charged twice"]
 *         parent: …      # for labels of subcategory: the category it belongs to
 * fields:                # what is no choice among labels; see taxonomy-fields.ts
 *   order_number: string
 * ```
 *
 * The version follows the content: comments, the name, and the order of keys, dimensions and labels do not matter.
 * @param file its name in messages
 * @throws QuerymillError TAXONOMY_INVALID with all problems, one a line with file, line and column; at most 10
 */
export function parseTaxonomy(text: string, file: string): Taxonomy {
  if (Buffer.byteLength(text) > MAX_BYTES)
    throw new QuerymillError(
      "TAXONOMY_INVALID",
      `${file} is larger than 1 MB, and all of it would go into every prompt. Leave labels or examples out.`,
    );
  const yaml = openYaml(text, file);
  const taxonomy = yaml.root === null ? null : readTaxonomy(yaml, yaml.root, file);
  const problems = yaml.problems();
  if (problems.length === 0 && taxonomy !== null) return taxonomy;
  const more = problems.length - MAX_PROBLEMS;
  const lines = more > 0 ? [...problems.slice(0, MAX_PROBLEMS), `and ${more} more`] : problems;
  throw new QuerymillError("TAXONOMY_INVALID", lines.join("\n"));
}

function readTaxonomy(yaml: YamlReader, root: Place, file: string): Taxonomy {
  const fields = yaml.fields(root, ["name", "summary", "alternatives", "dimensions", "fields"]);
  const name = yaml.text(fields.get("name")) ?? nameOfFile(file);
  const summary = yaml.flag(fields.get("summary")) ?? true;
  const alternatives = yaml.flag(fields.get("alternatives")) ?? true;
  const place = fields.get("dimensions");
  const dimensions: Dimension[] = [];
  if (place === undefined)
    yaml.problem(root, "dimensions: expected a map of dimensions, category among them; got nothing");
  else {
    const found = yaml.entries({ ...place, path: "dimensions" });
    if (found !== null && !found.some(({ key }) => key === "category"))
      yaml.problem(
        { ...place, path: "dimensions" },
        `expected a dimension named category${got(found.map(({ key }) => key))}`,
      );
    const categories = found?.find(({ key }) => key === "category");
    const parents = categories === undefined ? [] : labelIds(yaml, categories.value);
    for (const { key, value } of found ?? [])
      dimensions.push(readDimension(yaml, key, { ...value, path: key }, parents));
  }
  const own = readFields(yaml, fields.get("fields"), (id, at) => {
    checkName(yaml, id, at);
    if (dimensions.some((dimension) => dimension.id === id) || SINGLE.includes(id))
      yaml.problem(at, `the name ${id} is taken by a dimension. Choose another`);
  });
  const version = taxonomyVersion(dimensions, summary, alternatives, own);
  return { name, version, dimensions, ...(own.length === 0 ? {} : { fields: own }), summary, alternatives };
}

/** Dimensions and fields share the names of one flat answer. */
function checkName(yaml: YamlReader, id: string, place: Place): void {
  if (!ID.test(id)) yaml.problem(place, `expected a name of lower-case letters, digits, _; got ${JSON.stringify(id)}`);
  if (RESERVED_DIMENSIONS.test(id))
    yaml.problem(place, `the name ${id} is taken by the answer. Choose another, such as ${id}_type`);
}

function readDimension(yaml: YamlReader, id: string, place: Place, parents: readonly string[]): Dimension {
  checkName(yaml, id, place);
  const fields = yaml.fields(place, ["description", "choose", "required", "labels"]);
  const choose = fields.get("choose");
  const howMany = yaml.text(choose) ?? "one";
  if (choose !== undefined && howMany !== "one" && howMany !== "many")
    yaml.problem(choose, `expected one or many; got ${JSON.stringify(howMany)}`);
  if (choose !== undefined && howMany === "many" && SINGLE.includes(id))
    yaml.problem(choose, `expected one, because a record has one ${id}; got "many"`);
  const labels = fields.get("labels");
  if (labels === undefined) yaml.problem(place, "labels: expected at least 2 labels; got nothing");
  return {
    id,
    description: yaml.text(fields.get("description")) ?? id.replaceAll("_", " "),
    choose: howMany === "many" ? "many" : "one",
    required: yaml.flag(fields.get("required")) ?? id === "category",
    labels: labels === undefined ? [] : readLabels(yaml, id, labels, parents),
  };
}

function readLabels(yaml: YamlReader, dimension: string, place: Place, parents: readonly string[]): Label[] {
  const labels: Label[] = [];
  const spellings = new Map<string, string>();
  const entries = labelEntries(yaml, place);
  for (const { id, idPlace, value } of entries ?? []) {
    if (id === null) continue;
    if (!ID.test(id)) yaml.problem(idPlace, `expected lower-case letters, digits, _; got ${JSON.stringify(id)}`);
    else if (RESERVED_LABELS.test(id))
      yaml.problem(idPlace, `the id ${id} cannot be told from a word of JSON. Choose another`);
    const other = spellings.get(normalised(id));
    if (other === id) yaml.problem(idPlace, `${id} is there twice. Leave one out`);
    else if (other !== undefined)
      yaml.problem(idPlace, `${id} is too like ${other}: answers are compared without case and punctuation`);
    spellings.set(normalised(id), id);
    labels.push(readLabel(yaml, id, value, { dimension, parents }));
  }
  if (entries !== null && entries.length < 2) yaml.problem(place, `expected at least 2 labels; got ${entries.length}`);
  for (const { id, value } of entries ?? []) if (id !== null) checkAliases(yaml, id, value, spellings);
  return labels;
}

interface LabelEntry {
  /** null when it is missing or no text, which is reported. */
  readonly id: string | null;
  readonly idPlace: Place;
  /** What is said of the label: a map, a description, or nothing. */
  readonly value: Place;
}

/** @returns null when labels are neither a list nor a map, which is reported */
function labelEntries(yaml: YamlReader, place: Place): LabelEntry[] | null {
  if (yaml.isMap(place))
    return (yaml.entries(place) ?? []).map(({ key, value }) => ({ id: key, idPlace: value, value }));
  return (
    yaml.items(place, "a list of labels or a map of id and description")?.map((item) => {
      if (!yaml.isMap(item)) return { id: yaml.text(item), idPlace: item, value: { ...item, node: null } };
      const idPlace = yaml.entries(item)?.find(({ key }) => key === "id")?.value;
      if (idPlace === undefined) yaml.problem(item, "id: expected lower-case letters, digits, _; got nothing");
      return { id: idPlace === undefined ? null : yaml.text(idPlace), idPlace: idPlace ?? item, value: item };
    }) ?? null
  );
}

function readLabel(
  yaml: YamlReader,
  id: string,
  place: Place,
  { dimension, parents }: { dimension: string; parents: readonly string[] },
): Label {
  if (!yaml.isMap(place)) return { id, description: yaml.text(place) ?? "", aliases: [], examples: [] };
  const fields = yaml.fields(place, ["id", "description", "aliases", "examples", "parent"]);
  const parent = fields.get("parent");
  const parentId = yaml.text(parent);
  if (parent !== undefined && parentId !== null) {
    if (dimension !== "subcategory") yaml.problem(parent, "only labels of subcategory have a parent. Leave it out");
    else if (!parents.includes(parentId))
      yaml.problem(
        parent,
        `expected a label of category; got ${JSON.stringify(parentId)}.${yaml.nearest(parentId, parents)}`,
      );
  }
  return {
    id,
    description: yaml.text(fields.get("description")) ?? "",
    aliases: yaml.texts(fields.get("aliases")),
    examples: yaml.texts(fields.get("examples")),
    ...(parentId === null ? {} : { parent: parentId }),
  };
}

/** An alias that another label has as id or alias would belong to neither. */
function checkAliases(yaml: YamlReader, id: string, place: Place, spellings: Map<string, string>): void {
  if (!yaml.isMap(place)) return;
  const aliases = yaml.entries(place)?.find(({ key }) => key === "aliases")?.value;
  if (aliases === undefined || !yaml.isList(aliases)) return;
  for (const item of yaml.items(aliases, "a list") ?? []) {
    const alias = normalised(yaml.scalar(item) ?? "");
    if (alias === "") continue;
    const other = spellings.get(alias);
    if (other !== undefined && other !== id)
      yaml.problem(item, `stands for ${other} already. Leave it out in one of the two`);
    else spellings.set(alias, id);
  }
}

/** Ids of the categories, for parents; what is wrong with them is reported where they are read. */
function labelIds(yaml: YamlReader, dimension: Place): string[] {
  if (!yaml.isMap(dimension)) return [];
  const labels = yaml.entries(dimension)?.find(({ key }) => key === "labels")?.value;
  if (labels === undefined) return [];
  if (yaml.isMap(labels)) return (yaml.entries(labels) ?? []).map(({ key }) => key);
  if (!yaml.isList(labels)) return [];
  return (yaml.items(labels, "a list") ?? []).flatMap((item) => {
    const id = yaml.isMap(item) ? yaml.entries(item)?.find(({ key }) => key === "id")?.value : item;
    return (id === undefined ? null : yaml.scalar(id)) ?? [];
  });
}

function got(keys: readonly string[]): string {
  return keys.length === 0 ? "; got none" : `; got ${keys.slice(0, 5).join(", ")}${keys.length > 5 ? ", …" : ""}`;
}

function nameOfFile(file: string): string {
  return file.replace(/^.*[/\\]/, "").replace(/\.\w+$/, "") || "taxonomy";
}
