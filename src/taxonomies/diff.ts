import { normalised } from "../llm/label-lookup.ts";
import { buildPrompt } from "../llm/prompt.ts";
import type { Dimension, Field, Label, Taxonomy } from "../taxonomy.ts";
import { alikePairs } from "./similarity.ts";

/**
 * What one taxonomy has and the other has not.
 *
 * | kind | of | meaning for stored records |
 * |---|---|---|
 * | added | anything | none has it yet |
 * | removed | anything | those that have it keep it until they are classified again |
 * | renamed | label, dimension | those that have it keep the old name |
 * | moved | label | its parent, or the dimension it is in, is another one now |
 * | changed | anything | what it means may be something else for the model |
 * | spelled | label | aliases only: the model is asked the same |
 */
export interface Change {
  readonly kind: "added" | "removed" | "renamed" | "moved" | "changed" | "spelled";
  readonly of: "dimension" | "label" | "field" | "answer";
  /** In the new taxonomy, in the old one for what was removed: `category.billing`, `fields.amount`, `summary`. */
  readonly path: string;
  /** The old path, where it is another one. */
  readonly before?: string;
  /** What is different, or by what a new name was recognised. */
  readonly what: string;
}

export interface TaxonomyDiff {
  readonly changes: readonly Change[];
  /** Whether every call would send the same prompt. */
  readonly samePrompt: boolean;
  /** Whether records of both are told apart at all. */
  readonly sameVersion: boolean;
}

/** Labels whose words are so much alike are taken for the same under a new name. */
const RENAMED = 0.6;

/** @returns what changed from one to the other, in the order of the new one, what was removed last */
export function diffTaxonomies(before: Taxonomy, after: Taxonomy): TaxonomyDiff {
  const changes: Change[] = [];
  const olds = new Map(before.dimensions.map((dimension) => [dimension.id, dimension]));
  for (const dimension of after.dimensions) {
    const old = olds.get(dimension.id);
    if (old === undefined)
      changes.push({ kind: "added", of: "dimension", path: dimension.id, what: `${dimension.labels.length} labels` });
    else changes.push(...diffDimension(old, dimension));
    olds.delete(dimension.id);
  }
  for (const { id, labels } of olds.values())
    changes.push({ kind: "removed", of: "dimension", path: id, what: `${labels.length} labels` });
  changes.push(...diffFields(before.fields ?? [], after.fields ?? []));
  for (const name of ["summary", "alternatives"] as const)
    if (before[name] !== after[name])
      changes.push({
        kind: after[name] ? "added" : "removed",
        of: "answer",
        path: name,
        what: after[name] ? "asked for now" : "not asked for any more",
      });
  return {
    changes: withMoves(changes),
    samePrompt: buildPrompt(before).version === buildPrompt(after).version,
    sameVersion: before.version === after.version,
  };
}

function diffDimension(before: Dimension, after: Dimension): Change[] {
  const { id } = after;
  const changes: Change[] = [];
  const what = [
    before.choose === after.choose ? "" : `choose: ${before.choose} before, ${after.choose} now`,
    before.required === after.required ? "" : after.required ? "required now" : "optional now",
    before.description === after.description ? "" : "another description",
  ].filter((part) => part !== "");
  if (what.length > 0) changes.push({ kind: "changed", of: "dimension", path: id, what: what.join("; ") });
  const olds = new Map(before.labels.map((label) => [label.id, label]));
  const added: Label[] = [];
  for (const label of after.labels) {
    const old = olds.get(label.id);
    if (old === undefined) added.push(label);
    else changes.push(...diffLabel(id, old, label));
    olds.delete(label.id);
  }
  for (const label of added) {
    const path = `${id}.${label.id}`;
    const found = oldNameOf(label, [...olds.values()]);
    if (found === null) changes.push({ kind: "added", of: "label", path, what: "" });
    else {
      olds.delete(found.old.id);
      changes.push({ kind: "renamed", of: "label", path, before: `${id}.${found.old.id}`, what: found.by });
      changes.push(...diffLabel(id, found.old, label).filter(({ kind }) => kind !== "spelled"));
    }
  }
  for (const old of olds.values()) changes.push({ kind: "removed", of: "label", path: `${id}.${old.id}`, what: "" });
  return changes;
}

function diffLabel(dimension: string, before: Label, after: Label): Change[] {
  const path = `${dimension}.${after.id}`;
  const changes: Change[] = [];
  if (before.parent !== after.parent)
    changes.push({
      kind: "moved",
      of: "label",
      path,
      what: `parent: ${before.parent ?? "none"} before, ${after.parent ?? "none"} now`,
    });
  const what = [
    before.description === after.description ? "" : "another description",
    sameTexts(before.examples, after.examples) ? "" : "other examples",
  ].filter((part) => part !== "");
  if (what.length > 0) changes.push({ kind: "changed", of: "label", path, what: what.join("; ") });
  else if (!sameTexts(before.aliases, after.aliases))
    changes.push({ kind: "spelled", of: "label", path, what: "other aliases" });
  return changes;
}

/** Recognises a removed label under its new name. */
function oldNameOf(label: Label, removed: readonly Label[]): { old: Label; by: string } | null {
  const names = (one: Label): string[] => one.aliases.map(normalised);
  const byAlias = removed.find(
    (old) => names(label).includes(normalised(old.id)) || names(old).includes(normalised(label.id)),
  );
  if (byAlias !== undefined) return { old: byAlias, by: "by its alias" };
  const byDescription = removed.find(({ description }) => description !== "" && description === label.description);
  if (byDescription !== undefined) return { old: byDescription, by: "by the same description" };
  const byExamples = removed.find(
    ({ examples }) => examples.filter((example) => label.examples.includes(example)).length >= 2,
  );
  if (byExamples !== undefined) return { old: byExamples, by: "by the same examples" };
  const texts = [label, ...removed].map(({ description, examples }) => [description, ...examples].join("\n").trim());
  if (texts[0] === "") return null;
  const nearest = alikePairs(texts, RENAMED).find(({ a }) => a === 0);
  return nearest === undefined
    ? null
    : { old: removed[nearest.b - 1]!, by: `by alike words (${Math.round(nearest.alike * 100)} %)` };
}

/** A label that left one dimension and came to another under the same id has moved. */
function withMoves(changes: readonly Change[]): Change[] {
  const idOf = ({ path }: Change): string => path.slice(path.indexOf(".") + 1);
  const gone = changes.filter(({ kind, of }) => kind === "removed" && of === "label");
  const moved = new Map<Change, Change>();
  for (const change of changes) {
    if (change.kind !== "added" || change.of !== "label") continue;
    const from = gone.find((old) => idOf(old) === idOf(change) && ![...moved.values()].includes(old));
    if (from !== undefined) moved.set(change, from);
  }
  const left = new Set(moved.values());
  return changes
    .filter((change) => !left.has(change))
    .map((change) => {
      const from = moved.get(change);
      return from === undefined
        ? change
        : { ...change, kind: "moved", before: from.path, what: "to another dimension" };
    });
}

function diffFields(before: readonly Field[], after: readonly Field[]): Change[] {
  const changes: Change[] = [];
  const olds = new Map(before.map((field) => [field.id, field]));
  for (const field of after) {
    const path = `fields.${field.id}`;
    const old = olds.get(field.id);
    olds.delete(field.id);
    if (old === undefined) {
      changes.push({ kind: "added", of: "field", path, what: field.type });
      continue;
    }
    const what = [
      old.type === field.type ? "" : `${old.type} before, ${field.type} now`,
      old.pattern === field.pattern ? "" : "another pattern",
      old.required === field.required ? "" : field.required ? "required now" : "optional now",
      old.description === field.description ? "" : "another description",
    ].filter((part) => part !== "");
    if (what.length > 0) changes.push({ kind: "changed", of: "field", path, what: what.join("; ") });
  }
  for (const { id, type } of olds.values())
    changes.push({ kind: "removed", of: "field", path: `fields.${id}`, what: type });
  return changes;
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, at) => text === b[at]);
}
