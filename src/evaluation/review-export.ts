import { byKey, type ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { shortHash } from "../job.ts";
import type { Adapters } from "../jobs/adapters.ts";
import { chooseAdapters } from "../jobs/wiring.ts";
import type { ClassificationRecord } from "../record.ts";
import type { Page, Source, SourceDocument, Store } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { answerOf } from "./record-answers.ts";
import { rightColumn, SHEET } from "./review-columns.ts";
import { type Drawn, ReviewDraw } from "./review-draw.ts";

const PAGE = 500;

/** A sheet for people to fill in. */
export interface ReviewSheet {
  readonly id: string;
  readonly rows: readonly Readonly<Record<string, string | number | null>>[];
  /** How many of the rows were drawn at random. */
  readonly random: number;
  /** Records that nobody has decided yet. */
  readonly undecided: number;
  readonly decided: number;
  /** Chosen records that no document, or no text, is there for any more: left out. */
  readonly withoutText: number;
}

/** Chooses records of a job and puts them beside their texts. Changes nothing. */
export async function reviewSheet(store: Store, settings: JobSettings, size: number): Promise<ReviewSheet> {
  const target = store.target(settings.targetCollection);
  const draw = new ReviewDraw(size);
  for (let after: string | null = null, last = false; !last; ) {
    const page: Page = await target.readAll(after, PAGE);
    for (const record of page.documents) draw.add(record);
    after = page.cursor;
    last = page.last;
  }
  const drawn = draw.draw();
  const { sourceCollection, mark } = settings;
  const { makeItem, fields } = await chooseAdapters(settings);
  const source = store.source({ collection: sourceCollection, mark, filter: null, fields });
  const id = `s-${shortHash(drawn)}`;
  const rows: ReviewSheet["rows"][number][] = [];
  let random = 0;
  for (let at = 0; at < drawn.length; at += PAGE) {
    const chunk = drawn.slice(at, at + PAGE);
    const keys = chunk.map(({ key }) => key);
    const records = byKey(await target.readByKeys(keys));
    const texts = await textsOf(source, makeItem, keys);
    for (const one of chunk) {
      const [record, text] = [records.get(one.key), texts.get(one.key)];
      if (record === undefined || text === undefined) continue;
      random += one.part === "random" ? 1 : 0;
      rows.push(sheetRow(one, id, record, text, settings.taxonomy));
    }
  }
  return {
    id,
    rows,
    random,
    undecided: draw.seen,
    decided: draw.decided,
    withoutText: drawn.length - rows.length,
  };
}

function sheetRow(
  { key, part, of }: Drawn,
  id: string,
  document: SourceDocument,
  text: string,
  { dimensions }: Taxonomy,
): ReviewSheet["rows"][number] {
  const record = document as unknown as Partial<ClassificationRecord>;
  const answers = dimensions.map((dimension) => {
    const answer = answerOf(record, dimension);
    return [dimension.id, answer === null ? null : [answer].flat().join("; ")];
  });
  const alternatives = (record.alternatives ?? []).map(({ label, p }) => `${label} ${p}`);
  return {
    [SHEET.text]: text,
    ...Object.fromEntries(answers),
    confidence: record.confidence?.category ?? null,
    alternatives: alternatives.join("; "),
    review_reasons: (record.reviewReasons ?? []).join("; "),
    [SHEET.verdict]: null,
    ...Object.fromEntries(dimensions.map((dimension) => [rightColumn(dimension.id), null])),
    [SHEET.note]: null,
    [SHEET.key]: key,
    [SHEET.part]: part,
    [SHEET.of]: of,
    [SHEET.sheet]: id,
    [SHEET.content]: record.contentHash ?? null,
  };
}

async function textsOf(
  source: Source,
  makeItem: Adapters["makeItem"],
  keys: readonly ItemKey[],
): Promise<Map<ItemKey, string>> {
  const texts = new Map<ItemKey, string>();
  for (const document of await source.readByKeys(keys)) {
    const read = makeItem(document);
    if ("text" in read) texts.set(read.key, read.text);
  }
  return texts;
}
