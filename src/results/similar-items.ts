import type { SimilarItem } from "../dashboard/api.ts";
import { type ItemKey, keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { ALL_RECORDS, type RecordCondition } from "../selection.ts";
import type { SourceDocument, Store, Target } from "../store.ts";
import { shownId } from "./item-row.ts";
import { Likeness, wordsOf } from "./likeness.ts";

/** Records that an item is compared with: those that people decided last, and the newest of the others. */
const BY_PEOPLE = 300;
const NEWEST = 700;
const SAMPLE_MS = 500;
/** How long they are remembered, in ms. */
const FRESH_MS = 30_000;
const SHOWN = 5;
/** Less alike than this is chance. */
const LEAST = 0.15;
const PERSON: RecordCondition = { field: "decidedBy", is: "in", values: ["person"], not: false };

interface Compared {
  readonly item: Omit<SimilarItem, "likeness">;
  readonly words: ReadonlySet<string>;
}

/** Finds decided items whose summaries share words with an item's. */
export class SimilarItems {
  readonly #settings: JobSettings;
  readonly #steadyNow: () => number;
  #sample: { readonly atMs: number; readonly records: Promise<readonly Compared[]> } | null = null;

  constructor(settings: JobSettings, steadyNow: () => number) {
    this.#settings = settings;
    this.#steadyNow = steadyNow;
  }

  /** A person decided something: it is to be found at once. */
  changed(): void {
    this.#sample = null;
  }

  /** @returns the most alike first, at most 5; none when the item has no summary */
  async of(store: Store, key: ItemKey): Promise<SimilarItem[]> {
    const target = store.target(this.#settings.targetCollection);
    const [record] = await target.readByKeys([key]);
    if (typeof record?.summary !== "string") return [];
    const words = wordsOf(record.summary);
    const others = (await this.#compared(target)).filter(({ item }) => item.key !== key);
    const likeness = new Likeness(others.map((one) => one.words));
    return others
      .map(({ item, words: theirs }) => ({ ...item, likeness: likeness.between(words, theirs) }))
      .filter((item) => item.likeness >= LEAST)
      .sort((a, b) => b.likeness - a.likeness || Number(b.decidedBy === "person") - Number(a.decidedBy === "person"))
      .slice(0, SHOWN)
      .map((item) => ({ ...item, likeness: Math.round(item.likeness * 1_000) / 1_000 }));
  }

  async #compared(target: Target): Promise<readonly Compared[]> {
    const nowMs = this.#steadyNow();
    if (this.#sample === null || nowMs - this.#sample.atMs > FRESH_MS) {
      const records = draw(target);
      this.#sample = { atMs: nowMs, records };
      records.catch(() => this.changed());
    }
    return await this.#sample.records;
  }
}

async function draw({ search }: Target): Promise<Compared[]> {
  const newest = { order: "newest", after: null, maxMs: SAMPLE_MS } as const;
  const [byPeople, others] = await Promise.all([
    search.find({ ...newest, selection: { ...ALL_RECORDS, conditions: [PERSON] }, limit: BY_PEOPLE }),
    search.find({ ...newest, selection: ALL_RECORDS, limit: NEWEST }),
  ]);
  const records = new Map([...byPeople.documents, ...others.documents].map((one) => [keyOf(one._id), one]));
  return [...records].flatMap(([key, record]) => comparedOf(key, record) ?? []);
}

function comparedOf(key: ItemKey, { summary, category, decidedBy }: SourceDocument): Compared | null {
  if (typeof summary !== "string" || typeof category !== "string") return null;
  const item = { key, id: shownId(key), text: summary, label: category, decidedBy: String(decidedBy ?? "") };
  return { item, words: wordsOf(summary) };
}
