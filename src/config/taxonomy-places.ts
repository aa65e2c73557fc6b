import { openYaml, type Place, type Position, type YamlReader } from "./yaml-reader.ts";

/**
 * Where the parts of a taxonomy file stand.
 * @param text a file that `parseTaxonomy` takes
 * @returns a function from paths such as `category`, `category.billing`, `category.billing.examples[1]` and
 * `fields.amount` to places; a part that is not there stands where its nearest owner does, at last at the beginning
 */
export function taxonomyPlaces(text: string, file: string): (path: string) => Position {
  const yaml = openYaml(text, file);
  const places = new Map<string, Place>();
  const root = yaml.root === null ? [] : (yaml.entries(yaml.root) ?? []);
  for (const { key, value } of root) {
    if (key === "dimensions") for (const one of yaml.entries(value) ?? []) noteDimension(yaml, places, one.key, one);
    if (key === "fields") for (const one of yaml.entries(value) ?? []) places.set(`fields.${one.key}`, one.at);
  }
  return (path) => {
    for (let owner = path; owner !== ""; owner = owner.replace(/\[\d+\]$|\.?[^.[\]]*$/, "")) {
      const place = places.get(owner);
      if (place !== undefined) return yaml.position(place);
    }
    return { line: 1, column: 1 };
  };
}

function noteDimension(
  yaml: YamlReader,
  places: Map<string, Place>,
  id: string,
  { at, value }: { readonly at: Place; readonly value: Place },
): void {
  places.set(id, at);
  if (!yaml.isMap(value)) return;
  const labels = (yaml.entries(value) ?? []).find(({ key }) => key === "labels")?.value;
  if (labels === undefined) return;
  if (yaml.isMap(labels))
    for (const label of yaml.entries(labels) ?? [])
      noteLabel(yaml, places, `${id}.${label.key}`, label.at, label.value);
  else
    for (const item of yaml.isList(labels) ? (yaml.items(labels, "a list") ?? []) : []) {
      const idPlace = yaml.isMap(item) ? (yaml.entries(item) ?? []).find(({ key }) => key === "id")?.value : item;
      const name = idPlace === undefined ? null : yaml.scalar(idPlace);
      if (name !== null) noteLabel(yaml, places, `${id}.${name}`, idPlace ?? item, item);
    }
}

function noteLabel(yaml: YamlReader, places: Map<string, Place>, path: string, at: Place, value: Place): void {
  places.set(path, at);
  for (const { key, value: list } of yaml.isMap(value) ? (yaml.entries(value) ?? []) : []) {
    if ((key !== "examples" && key !== "aliases") || !yaml.isList(list)) continue;
    for (const [index, item] of (yaml.items(list, "a list") ?? []).entries())
      places.set(`${path}.${key}[${index}]`, item);
  }
}
