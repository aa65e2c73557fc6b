import { editDistance } from "../config/nearest.ts";
import { normalised } from "../llm/label-lookup.ts";
import { buildPrompt, EXAMPLE_CHARS } from "../llm/prompt.ts";
import { estimateTokens } from "../llm/usage.ts";
import type { Dimension, Label, Taxonomy } from "../taxonomy.ts";
import { alikePairs } from "./similarity.ts";

/** `error`: a run would fail on it; `warning`: it costs accuracy; `hint`: it could be better. */
export type Level = "error" | "warning" | "hint";

/** Something in a taxonomy that a person should look at. */
export interface Finding {
  readonly level: Level;
  /** Stable name of the rule, such as `names-alike`. */
  readonly rule: string;
  /** Where: `category`, `category.billing`, `category.billing.examples[1]`, `fields.amount`; empty for the whole. */
  readonly path: string;
  /** What is wrong and what to do. */
  readonly text: string;
}

/** Texts that are at least so much alike are told apart badly: of Banking77's 2,926 pairs of labels 8 are, all known to be confused. */
const ALIKE = 0.42;
/** Descriptions are short and often begin alike: "The customer wants to return an item" and "… exchange an item" stay below. */
const DESCRIPTIONS_ALIKE = 0.6;
const MOST_PAIRS = 10;
const LONG_DESCRIPTION = 300;
const MANY_LABELS = 150;
/** Properties of more than one type in one strict schema: Anthropic takes 16. */
const UNIONS = 16;
/** Examples from which on a label counts as one that has many. */
const FEW_EXAMPLES = 3;

/** @returns what is to be looked at, in the order of the taxonomy */
export function checkTaxonomy(taxonomy: Taxonomy): Finding[] {
  return [...taxonomy.dimensions.flatMap((dimension) => checkDimension(dimension, taxonomy)), ...checkWhole(taxonomy)];
}

function checkDimension(dimension: Dimension, taxonomy: Taxonomy): Finding[] {
  return [
    ...checkSize(dimension),
    ...dimension.labels.flatMap((label) => checkLabel(dimension, label)),
    ...namesAlike(dimension),
    ...examplesTwice(dimension),
    ...contentsAlike(dimension),
    ...(dimension.id === "category" ? checkRest(dimension) : []),
    ...(dimension.id === "subcategory" ? checkParents(dimension, taxonomy) : []),
  ];
}

function checkSize({ id, labels }: Dimension): Finding[] {
  if (labels.length <= MANY_LABELS) return [];
  return [
    finding(
      "warning",
      "many-labels",
      id,
      `has ${labels.length} labels, all of them in every prompt. Accuracy and price suffer: split it into category and subcategory, or leave out what is rare.`,
    ),
  ];
}

function checkLabel({ id }: Dimension, label: Label): Finding[] {
  const path = `${id}.${label.id}`;
  const found: Finding[] = [];
  const { description, examples, aliases } = label;
  if (description === "" && examples.length === 0)
    found.push(
      finding(
        "warning",
        "no-description",
        path,
        "has neither a description nor examples: whoever answers has only its name. Say in a sentence what belongs to it, and what does not.",
      ),
    );
  else if (description === "")
    found.push(
      finding("hint", "no-description", path, "has examples and no description. Say what they have in common."),
    );
  if (description.length > LONG_DESCRIPTION)
    found.push(
      finding(
        "hint",
        "long-description",
        path,
        `the description has ${description.length} characters, which every call pays for. One or two sentences do.`,
      ),
    );
  for (const [at, example] of examples.entries())
    if (at < FEW_EXAMPLES && example.length > EXAMPLE_CHARS)
      found.push(
        finding(
          "hint",
          "long-example",
          `${path}.examples[${at}]`,
          `has ${example.length} characters; a model is shown the first ${EXAMPLE_CHARS}. Cut it to what shows the label.`,
        ),
      );
  for (const [at, alias] of aliases.entries())
    if (normalised(alias) === normalised(label.id))
      found.push(
        finding(
          "hint",
          "idle-alias",
          `${path}.aliases[${at}]`,
          "is the label's own name in other letters. Leave it out.",
        ),
      );
  return found;
}

/** Names that a model's slip turns into one another: an answer that is one edit off is not repaired, but asked for again. */
function namesAlike({ id, labels }: Dimension): Finding[] {
  const names = labels.flatMap((label) => [
    { label: label.id, name: label.id, path: `${id}.${label.id}` },
    ...label.aliases.map((name, at) => ({ label: label.id, name, path: `${id}.${label.id}.aliases[${at}]` })),
  ]);
  const found: Finding[] = [];
  for (const [at, one] of names.entries())
    for (const other of names.slice(0, at)) {
      if (one.label === other.label || found.length >= MOST_PAIRS) continue;
      const how = likenessOf(one.name, other.name);
      if (how !== null)
        found.push(
          finding(
            "warning",
            "names-alike",
            one.path,
            `${quoted(one.name)} and ${quoted(other.name)} of ${other.label} ${how}. Rename one, so that a slip of the model is no other label.`,
          ),
        );
    }
  return found;
}

function likenessOf(one: string, other: string): string | null {
  const [a, b] = [normalised(one), normalised(other)];
  if (a === b || Math.abs(a.length - b.length) > 2 || digitsOf(a) !== digitsOf(b)) return null;
  if (singular(a) === singular(b)) return "differ by an s only";
  const longest = Math.max(a.length, b.length);
  const distance = editDistance(a, b);
  return longest >= 5 && distance <= (longest >= 8 ? 2 : 1) ? "differ by one or two letters only" : null;
}

/** Label ids with numbers (`tier_1`, `tier_2`) are told apart by them. */
function digitsOf(text: string): string {
  return text.replace(/\P{N}/gu, "");
}

function singular(word: string): string {
  return word.replace(/s$/, "");
}

function examplesTwice({ id, choose, labels }: Dimension): Finding[] {
  const seen = new Map<string, { label: string; path: string }>();
  const found: Finding[] = [];
  for (const label of labels)
    for (const [at, example] of label.examples.entries()) {
      const path = `${id}.${label.id}.examples[${at}]`;
      const key = normalised(example) || example;
      const before = seen.get(key);
      if (before?.label === label.id)
        found.push(finding("hint", "example-twice", path, `is there already, at ${before.path}. Leave one out.`));
      else if (before !== undefined && choose === "one")
        found.push(
          finding(
            "warning",
            "example-of-two",
            path,
            `is an example of ${before.label} as well. Decide for one: with both, nobody can tell them apart.`,
          ),
        );
      if (before === undefined) seen.set(key, { label: label.id, path });
    }
  return found;
}

/** Labels whose descriptions, or whose examples, say the same in the same words. */
function contentsAlike({ id, labels }: Dimension): Finding[] {
  const described = labels.filter(({ description }) => description !== "");
  const pairs = new Map<string, { a: Label; b: Label; alike: number; what: string }>();
  const compare = (those: readonly Label[], textOf: (label: Label) => string, atLeast: number, what: string): void => {
    for (const { a, b, alike } of alikePairs(those.map(textOf), atLeast)) {
      const pair = { a: those[a]!, b: those[b]!, alike, what };
      const key = `${pair.a.id} ${pair.b.id}`;
      if ((pairs.get(key)?.alike ?? 0) < alike) pairs.set(key, pair);
    }
  };
  compare(described, ({ description }) => description, DESCRIPTIONS_ALIKE, "descriptions");
  const shown = labels.filter(({ examples }) => examples.length >= FEW_EXAMPLES);
  compare(shown, ({ examples }) => examples.join("\n"), ALIKE, "examples");
  return [...pairs.values()]
    .sort((one, other) => other.alike - one.alike)
    .slice(0, MOST_PAIRS)
    .map(({ a, b, alike, what }) =>
      finding(
        "warning",
        "labels-alike",
        `${id}.${b.id}`,
        `its ${what} are much like those of ${a.id} (${Math.round(alike * 100)} %). Say in both what sets them apart, or make one label of them.`,
      ),
    );
}

/** A required choice needs a place for what fits nowhere. */
function checkRest({ id, required, labels }: Dimension): Finding[] {
  const isRest = ({ id: name, aliases }: Label): boolean =>
    [name, ...aliases].some((word) =>
      /^(?:other|others|else|misc|miscellaneous|none|unclear|rest|general)$/.test(word),
    );
  if (!required || labels.some(isRest)) return [];
  return [
    finding(
      "warning",
      "no-other",
      id,
      "has no label such as other: greetings, spam and what fits nowhere have to take a wrong one. Add it, and say in its description that it comes last.",
    ),
  ];
}

function checkParents(dimension: Dimension, { dimensions }: Taxonomy): Finding[] {
  const categories = dimensions.find(({ id }) => id === "category")?.labels ?? [];
  const children = Map.groupBy(dimension.labels, ({ parent }) => parent ?? null);
  const orphans = children.get(null) ?? [];
  const withParent = dimension.labels.length - orphans.length;
  if (withParent === 0) return [];
  const found: Finding[] = [];
  for (const { id } of orphans)
    found.push(
      finding(
        "hint",
        "no-parent",
        `subcategory.${id}`,
        "has no parent, while others have: it can be answered with every category. Give it one, or leave it if that is meant.",
      ),
    );
  for (const { id } of categories) {
    const own = children.get(id) ?? [];
    if (own.length + orphans.length === 0 && dimension.required)
      found.push(
        finding(
          "error",
          "no-child",
          `category.${id}`,
          "has no subcategory, and subcategory is required: an item of this category cannot be answered. Add one, or make subcategory optional (required: false).",
        ),
      );
    else if (own.length === 1 && orphans.length === 0)
      found.push(
        finding(
          "hint",
          "only-child",
          `subcategory.${own[0]!.id}`,
          `is the only subcategory of ${id}, so it says nothing more. Add another, or leave it out.`,
        ),
      );
  }
  return found;
}

function checkWhole(taxonomy: Taxonomy): Finding[] {
  const { dimensions, fields = [] } = taxonomy;
  const found: Finding[] = [];
  const owners = new Map<string, string>();
  for (const { id, labels } of dimensions.filter((one) => ["category", "subcategory"].includes(one.id)))
    for (const label of labels) {
      const other = owners.get(normalised(label.id));
      if (other !== undefined && other !== id)
        found.push(
          finding(
            "hint",
            "same-name",
            `${id}.${label.id}`,
            `${other} has a label of this name too, and models put one for the other. Make this one more special, such as ${label.id}_general.`,
          ),
        );
      owners.set(normalised(label.id), id);
    }
  for (const { id, labels } of dimensions)
    if (!hasEnum(taxonomy, id))
      found.push(
        finding(
          "warning",
          "over-enum-limit",
          id,
          `its ${labels.length} labels do not fit into a strict schema (OpenAI takes 1,000 values in all, and 15,000 characters of one list of more than 250). They stand in the prompt only, and a model may make one up: that costs repair calls.`,
        ),
      );
  const optional = [...dimensions, ...fields].filter(({ required }) => !required).length;
  if (optional > UNIONS)
    found.push(
      finding(
        "warning",
        "many-optional",
        "",
        `${optional} dimensions and fields are optional, and Anthropic takes ${UNIONS} such ones in a strict schema. Make some required, or leave some out, before you use a model of theirs.`,
      ),
    );
  return found;
}

function hasEnum(taxonomy: Taxonomy, id: string): boolean {
  const properties = buildPrompt(taxonomy).schema.properties as Record<string, { enum?: unknown; items?: object }>;
  const schema = properties[id]!;
  return "enum" in (schema.items ?? schema);
}

/** What every call sends before the customer's text, in tokens by the length of the text: low and high. */
export interface FixedPrompt {
  readonly chars: number;
  readonly tokens: { readonly from: number; readonly to: number };
}

/** UTF-16 units per token of prompts like these: plain English, and schemas with ids. */
const LOOSE = 4.5;
const DENSE = 3.5;

/** @returns the size of the part of every call that a taxonomy makes */
export function fixedPrompt(taxonomy: Taxonomy): FixedPrompt {
  const { system, schema } = buildPrompt(taxonomy);
  const chars = system.length + JSON.stringify(schema).length;
  return { chars, tokens: { from: estimateTokens(chars, LOOSE), to: estimateTokens(chars, DENSE) } };
}

function finding(level: Level, rule: string, path: string, text: string): Finding {
  return { level, rule, path, text };
}

function quoted(name: string): string {
  return JSON.stringify(name);
}
