import { QuerymillError } from "../errors.ts";
import { type JobSettings, SOURCE_PRESETS, type SourcePreset, type TextMapping } from "../job.ts";
import type { SourceDocument, Store } from "../store.ts";
import { fitsPreset, presetExpects } from "../stores/presets.ts";

/** Documents of the start of the source that are looked at before a run. */
const LOOKED_AT = 50;
/** A preset is only suggested when at least this share of the documents has its shape. */
const CLEAR = 0.5;
const FIELDS_SHOWN = 12;

/** How well the documents of a source fit the presets. */
export interface SourceShape {
  /** Documents looked at. */
  readonly documents: number;
  /** How many of them fit each preset. */
  readonly fits: Readonly<Record<SourcePreset, number>>;
  /** The one that fits most of them, or null when none fits at least half. */
  readonly nearest: SourcePreset | null;
  /** Names of top-level fields, the most frequent first. Never values. */
  readonly fields: readonly string[];
}

/** Looks at whole documents. */
export function shapeOf(documents: readonly SourceDocument[]): SourceShape {
  const fits = Object.fromEntries(
    SOURCE_PRESETS.map((preset) => [preset, documents.filter((document) => fitsPreset(document, preset)).length]),
  ) as Record<SourcePreset, number>;
  const best = SOURCE_PRESETS.reduce((first, preset) => (fits[preset] > fits[first] ? preset : first));
  const nearest = documents.length > 0 && fits[best] >= documents.length * CLEAR ? best : null;
  return { documents: documents.length, fits, nearest, fields: frequentFields(documents) };
}

/** @returns a sentence that names the preset most documents fit; null when none, or when the settings say where texts are */
export function presetHint(documents: readonly SourceDocument[], mapping: TextMapping): string | null {
  if (mapping.preset !== undefined || mapping.text !== null || mapping.messages !== undefined) return null;
  const { nearest, fits } = shapeOf(documents);
  return nearest === null
    ? null
    : `${fits[nearest]} of ${documents.length} documents look like ${nearest}: --preset ${nearest} reads them as such (customer and agent marked, private notes left out).`;
}

/** The same for the first unprocessed documents. A store that does not answer gives no hint. */
export async function hintOfPreset(settings: JobSettings, store: Store): Promise<string | null> {
  const { mapping, retryOnly } = settings;
  if (retryOnly !== null || mapping.preset !== undefined || mapping.text !== null || mapping.messages !== undefined)
    return null;
  const documents = await firstDocuments(settings, store).catch(() => []);
  return presetHint(documents, mapping);
}

async function firstDocuments(settings: JobSettings, store: Store): Promise<readonly SourceDocument[]> {
  const { sourceCollection, mark, filter } = settings;
  const source = store.source({ collection: sourceCollection, mark, filter, fields: null });
  return (await source.readUnprocessed(null, LOOKED_AT)).documents;
}

/** @throws QuerymillError SOURCE_SHAPE when most of the first unprocessed documents are not what the preset reads */
export async function refuseWrongShape(settings: JobSettings, store: Store): Promise<void> {
  const problem = await wrongShape(settings, store);
  if (problem !== null) throw new QuerymillError("SOURCE_SHAPE", problem);
}

/**
 * Looks at the first unprocessed documents, for nothing.
 * @returns a sentence for the user when most of them are not what the preset reads, else null
 */
export async function wrongShape(settings: JobSettings, store: Store): Promise<string | null> {
  const { preset } = settings.mapping;
  if (preset === undefined) return null;
  return shapeProblem(shapeOf(await firstDocuments(settings, store)), preset, settings.sourceCollection);
}

/** @returns a sentence for the user when most documents do not fit the preset, else null */
function shapeProblem(shape: SourceShape, preset: SourcePreset, collection: string): string | null {
  const { documents, fits, nearest, fields } = shape;
  if (documents === 0 || fits[preset] * 2 > documents) return null;
  const found = fields.length === 0 ? "no fields but _id" : fields.join(", ");
  const advice =
    nearest !== null && nearest !== preset
      ? `They look like ${nearest}: use --preset ${nearest}.`
      : "No other preset fits either: leave it out, and say where the texts are with source.text or source.messages.";
  return `${collection} does not look like ${preset}: ${fits[preset]} of ${documents} documents fit. Expected ${presetExpects(preset)}; found the fields ${found}. ${advice}`;
}

function frequentFields(documents: readonly SourceDocument[]): string[] {
  const counts = new Map<string, number>();
  for (const document of documents)
    for (const name of Object.keys(document)) if (name !== "_id") counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([name]) => (name.length > 40 ? `${name.slice(0, 39)}…` : name));
  return names.length > FIELDS_SHOWN
    ? [...names.slice(0, FIELDS_SHOWN), `… ${names.length - FIELDS_SHOWN} more`]
    : names;
}
