import { createHash } from "node:crypto";
import type { Review, ReviewPart } from "../correction.ts";
import { type ItemKey, keyOf } from "../item.ts";
import type { ClassificationRecord } from "../record.ts";
import type { SourceDocument } from "../store.ts";

/** One record that was chosen for a sheet. */
export interface Drawn {
  readonly key: ItemKey;
  readonly part: ReviewPart;
  readonly of: Review["of"];
}

interface Candidate {
  readonly key: ItemKey;
  readonly needsReview: boolean;
  readonly confidence: number;
  readonly hash: string;
}

/** Share of a sheet that is drawn at random. */
const RANDOM_SHARE = 0.25;

/**
 * Chooses records for people to look at, in one pass and with memory for a few sheets only: three quarters are those that
 * the model is least certain of (`needsReview` first, then the lowest confidence, in turn from each category), the rest is
 * drawn at random from all others. The draw is by a hash of the ids: the same records make the same sheet.
 */
export class ReviewDraw {
  readonly #size: number;
  readonly #byCategory = new Map<string, Candidate[]>();
  #random: Candidate[] = [];
  #seen = 0;
  #decided = 0;

  /** @param size rows of the sheet, integer >= 1 */
  constructor(size: number) {
    this.#size = size;
  }

  /** Records that could be chosen. */
  get seen(): number {
    return this.#seen;
  }

  /** Records that people have decided already: left out. */
  get decided(): number {
    return this.#decided;
  }

  add(record: SourceDocument): void {
    const { decidedBy, category, needsReview, confidence } = record as unknown as Partial<ClassificationRecord>;
    if (decidedBy === "person") {
      this.#decided += 1;
      return;
    }
    this.#seen += 1;
    const key = keyOf(record._id);
    const candidate: Candidate = {
      key,
      needsReview: needsReview === true,
      confidence: confidence?.category ?? 0,
      hash: createHash("sha256").update(key).digest("hex").slice(0, 16),
    };
    const name = typeof category === "string" ? category : "";
    const known = this.#byCategory.get(name) ?? [];
    known.push(candidate);
    this.#byCategory.set(name, known.length >= this.#size * 2 ? surestLast(known).slice(0, this.#size) : known);
    this.#random.push(candidate);
    if (this.#random.length >= this.#size * 4) this.#random = byHash(this.#random).slice(0, this.#size * 2);
  }

  /** @returns at most `size` records, the uncertain ones first */
  draw(): Drawn[] {
    const random = Math.min(Math.ceil(this.#size * RANDOM_SHARE), this.#seen);
    const uncertain = this.#inTurn(Math.min(this.#size - random, this.#seen - random));
    const taken = new Set(uncertain.map(({ key }) => key));
    const others = byHash(this.#random).filter(({ key }) => !taken.has(key));
    return [
      ...uncertain.map(({ key }) => ({ key, part: "uncertain" as const, of: uncertain.length })),
      ...others.slice(0, random).map(({ key }) => ({
        key,
        part: "random" as const,
        of: this.#seen - uncertain.length,
      })),
    ];
  }

  /** One from each category in turn; those that need review go before all others. */
  #inTurn(wanted: number): Candidate[] {
    const lists = [...this.#byCategory.values()].map(surestLast);
    const ranked = lists.flatMap((list) => {
      const firstSure = list.findIndex(({ needsReview }) => !needsReview);
      return list.map((candidate, at) => ({
        candidate,
        turn: candidate.needsReview || firstSure < 0 ? at : at - firstSure,
      }));
    });
    ranked.sort(
      (a, b) =>
        Number(b.candidate.needsReview) - Number(a.candidate.needsReview) ||
        a.turn - b.turn ||
        leastSure(a.candidate, b.candidate),
    );
    return ranked.slice(0, wanted).map(({ candidate }) => candidate);
  }
}

function surestLast(candidates: readonly Candidate[]): Candidate[] {
  return candidates.toSorted(leastSure);
}

function leastSure(a: Candidate, b: Candidate): number {
  return Number(b.needsReview) - Number(a.needsReview) || a.confidence - b.confidence || compare(a.hash, b.hash);
}

function byHash(candidates: readonly Candidate[]): Candidate[] {
  return candidates.toSorted((a, b) => compare(a.hash, b.hash));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
