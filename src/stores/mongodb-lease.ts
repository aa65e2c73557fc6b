import type { Collection, Document } from "mongodb";
import { QuerymillError } from "../errors.ts";
import type { Lease, LeaseHolder, LeaseResult } from "../store.ts";
import type { StoreErrors } from "./mongodb-errors.ts";

/** `_id` is the target's name. `expiresAt` is by the server's clock; null when nobody holds it. */
interface LeaseDocument extends Document {
  readonly _id: string;
  /** The highest that was given out, to whomever. */
  readonly fence: number;
  /** The one of `holder`. */
  readonly holderFence?: number;
  readonly job?: string | null;
  readonly holder?: LeaseHolder | null;
  readonly expiresAt?: Date | null;
  /** Who holds a part of the target, in the order of taking. */
  readonly ranges?: readonly RangeHolder[];
}
interface RangeHolder extends LeaseHolder {
  readonly range: string;
  readonly fence: number;
  readonly expiresAt: Date;
}

const triesAgainstRaces = 5;
const duplicateKey = 11_000;

/**
 * One document per target, the leases of its ranges included: one atomic update decides between the whole and its parts,
 * and every fence comes from one counter. Changed only by atomic updates that compare with the server's own clock.
 */
export class MongoLease implements Lease {
  readonly #leases: Collection<LeaseDocument>;
  readonly #guarded: StoreErrors;

  constructor(leases: Collection<Document>, guarded: StoreErrors) {
    this.#leases = leases as unknown as Collection<LeaseDocument>;
    this.#guarded = guarded;
  }

  async acquire(target: string, holder: LeaseHolder, ttlMs: number): Promise<LeaseResult> {
    return await this.#guarded(async () => {
      for (let tries = 0; tries < triesAgainstRaces; tries++) {
        await this.#seed(target);
        const taken = await this.#take(target, holder, ttlMs);
        if (taken) return { status: "held", fence: taken.fence };
        const refused = await this.#whyNot(target, holder);
        if (refused) return refused;
      }
      throw new QuerymillError(
        "STORE_FAILED",
        `The lease of ${target} changed hands ${triesAgainstRaces} times while it was asked for. Try again.`,
      );
    });
  }

  async renew(target: string, ownerId: string, fence: number, ttlMs: number): Promise<boolean> {
    const { matchedCount } = await this.#guarded(() =>
      this.#leases.updateOne({ _id: target, "holder.ownerId": ownerId, holderFence: fence }, [
        { $set: { expiresAt: { $add: ["$$NOW", ttlMs] } } },
      ]),
    );
    return matchedCount === 1;
  }

  ofRange(range: string): Pick<Lease, "acquire" | "renew" | "release"> {
    return new MongoRangeLease(this.#leases, this.#guarded, range);
  }

  async release(target: string, ownerId: string, fence: number): Promise<void> {
    await this.#guarded(() =>
      this.#leases.updateOne(
        { _id: target, "holder.ownerId": ownerId, holderFence: fence },
        { $set: { holder: null, expiresAt: null } },
      ),
    );
  }

  async forget(target: string): Promise<void> {
    await this.#guarded(() =>
      this.#leases.updateOne({ _id: target }, { $set: { job: null, holder: null, expiresAt: null, ranges: [] } }),
    );
  }

  async remove(target: string): Promise<void> {
    await this.#guarded(() => this.#leases.deleteOne({ _id: target }));
  }

  async look(target: string): Promise<{ job: string; holder: LeaseHolder | null } | null> {
    const found = await this.#guarded(() => this.#find(target));
    if (typeof found?.job !== "string") return null;
    const whole = Number(found.expiresInMs ?? 0) > 0 ? (found.holder ?? null) : null;
    return { job: found.job, holder: whole ?? found.liveRanges?.[0] ?? null };
  }

  /** An upsert may not use `$expr`, so the document has to be there before it is taken. */
  async #seed(target: string): Promise<void> {
    try {
      await this.#leases.updateOne({ _id: target }, { $setOnInsert: { fence: 0 } }, { upsert: true });
    } catch (error) {
      if ((error as { code?: unknown }).code !== duplicateKey) throw error;
    }
  }

  #take(target: string, holder: LeaseHolder, ttlMs: number): Promise<LeaseDocument | null> {
    const job = { $ifNull: ["$job", null] };
    const expiresAt = { $ifNull: ["$expiresAt", null] };
    const ours = { $in: [job, [null, { $literal: holder.job }]] };
    const alone = holder.fleet === true ? [] : [{ $eq: [LIVE_RANGES, []] }];
    const free = {
      $or: [
        { $eq: [expiresAt, null] },
        { $lte: [expiresAt, "$$NOW"] },
        { $eq: ["$holder.ownerId", { $literal: holder.ownerId }] },
      ],
    };
    return this.#leases.findOneAndUpdate(
      { _id: target, $expr: { $and: [ours, free, ...alone] } },
      [
        {
          $set: {
            ...(holder.fleet === true ? {} : { ranges: [] }),
            job: { $literal: holder.job },
            holder: { $literal: { ...holder } },
            fence: { $add: ["$fence", 1] },
            holderFence: { $add: ["$fence", 1] },
            expiresAt: { $add: ["$$NOW", ttlMs] },
          },
        },
      ],
      { returnDocument: "after" },
    );
  }

  /** @returns null when nothing stands in the way any more */
  async #whyNot(target: string, holder: LeaseHolder): Promise<LeaseResult | null> {
    const found = await this.#find(target);
    if (!found) return null;
    if (typeof found.job === "string" && found.job !== holder.job)
      return { status: "other-job", holder: found.holder ?? unknownHolder(found.job) };
    if (found.holder && Number(found.expiresInMs ?? 0) > 0 && found.holder.ownerId !== holder.ownerId)
      return { status: "busy", holder: found.holder, expiresInMs: Number(found.expiresInMs) };
    const [worker] = holder.fleet === true ? [] : (found.liveRanges ?? []);
    return worker === undefined ? null : { status: "busy", holder: worker, expiresInMs: worker.expiresInMs };
  }

  async #find(target: string): Promise<FoundLease | undefined> {
    return await findLease(this.#leases, target);
  }
}

/** The lease of a part of a target: an entry of the target's document. */
class MongoRangeLease implements Pick<Lease, "acquire" | "renew" | "release"> {
  readonly #leases: Collection<LeaseDocument>;
  readonly #guarded: StoreErrors;
  readonly #range: string;

  constructor(leases: Collection<LeaseDocument>, guarded: StoreErrors, range: string) {
    this.#leases = leases;
    this.#guarded = guarded;
    this.#range = range;
  }

  async acquire(target: string, holder: LeaseHolder, ttlMs: number): Promise<LeaseResult> {
    return await this.#guarded(async () => {
      for (let tries = 0; tries < triesAgainstRaces; tries++) {
        const taken = await this.#take(target, holder, ttlMs);
        if (taken) return { status: "held", fence: taken.fence };
        const refused = await this.#whyNot(target, holder);
        if (refused) return refused;
      }
      throw new QuerymillError(
        "STORE_FAILED",
        `The lease of range ${this.#range} of ${target} changed hands ${triesAgainstRaces} times while it was asked for. Try again.`,
      );
    });
  }

  async renew(target: string, ownerId: string, fence: number, ttlMs: number): Promise<boolean> {
    const expiresAt = { $add: ["$$NOW", ttlMs] };
    const isOurs = { $eq: ["$$one.fence", fence] };
    const renewed = { $cond: [isOurs, { $mergeObjects: ["$$one", { expiresAt }] }, "$$one"] };
    const { matchedCount } = await this.#guarded(() =>
      this.#leases.updateOne({ _id: target, ranges: { $elemMatch: { ownerId, fence } } }, [
        { $set: { ranges: { $map: { input: "$ranges", as: "one", in: renewed } } } },
      ]),
    );
    return matchedCount === 1;
  }

  async release(target: string, ownerId: string, fence: number): Promise<void> {
    await this.#guarded(() =>
      this.#leases.updateOne({ _id: target }, { $pull: { ranges: { ownerId, fence } } as never }),
    );
  }

  #take(target: string, holder: LeaseHolder, ttlMs: number): Promise<LeaseDocument | null> {
    const range = { $literal: this.#range };
    const live = { $ifNull: ["$expiresAt", null] };
    // Nobody holds the whole target for himself.
    const shared = {
      $or: [{ $eq: [live, null] }, { $lte: [live, "$$NOW"] }, { $eq: ["$holder.fleet", true] }],
    };
    const others = {
      $filter: {
        input: LIVE_RANGES,
        as: "one",
        cond: {
          $and: [{ $eq: ["$$one.range", range] }, { $ne: ["$$one.ownerId", { $literal: holder.ownerId }] }],
        },
      },
    };
    const kept = {
      $filter: { input: { $ifNull: ["$ranges", []] }, as: "one", cond: { $ne: ["$$one.range", range] } },
    };
    const own = {
      $mergeObjects: [
        { $literal: { ...holder, range: this.#range } },
        { fence: "$fence", expiresAt: { $add: ["$$NOW", ttlMs] } },
      ],
    };
    return this.#leases.findOneAndUpdate(
      { _id: target, job: holder.job, $expr: { $and: [shared, { $eq: [others, []] }] } },
      [{ $set: { fence: { $add: ["$fence", 1] } } }, { $set: { ranges: { $concatArrays: [kept, [own]] } } }],
      { returnDocument: "after" },
    );
  }

  /** @returns null when nothing stands in the way any more */
  async #whyNot(target: string, holder: LeaseHolder): Promise<LeaseResult | null> {
    const found = await findLease(this.#leases, target);
    if (found === undefined || found.job !== holder.job)
      return { status: "other-job", holder: found?.holder ?? unknownHolder(found?.job ?? "") };
    const expiresInMs = Number(found.expiresInMs ?? 0);
    if (found.holder && expiresInMs > 0 && found.holder.fleet !== true)
      return { status: "busy", holder: found.holder, expiresInMs };
    const other = found.liveRanges?.find(({ range, ownerId }) => range === this.#range && ownerId !== holder.ownerId);
    return other === undefined ? null : { status: "busy", holder: other, expiresInMs: other.expiresInMs };
  }
}

type FoundLease = LeaseDocument & {
  readonly expiresInMs?: number | null;
  readonly liveRanges?: readonly (RangeHolder & { readonly expiresInMs: number })[];
};

/** Entries of those that are held now. */
const LIVE_RANGES = {
  $filter: { input: { $ifNull: ["$ranges", []] }, as: "one", cond: { $gt: ["$$one.expiresAt", "$$NOW"] } },
};

async function findLease(leases: Collection<LeaseDocument>, target: string): Promise<FoundLease | undefined> {
  const left = (expiresAt: string) => ({ $toDouble: { $subtract: [expiresAt, "$$NOW"] } });
  const withLeft = { $mergeObjects: ["$$one", { expiresInMs: left("$$one.expiresAt") }] };
  const found = await leases
    .aggregate<FoundLease>([
      { $match: { _id: target } },
      {
        $set: {
          expiresInMs: left("$expiresAt"),
          liveRanges: { $map: { input: LIVE_RANGES, as: "one", in: withLeft } },
        },
      },
    ])
    .toArray();
  return found[0];
}

/** Names of the ranges of a target that somebody holds now. */
export async function liveRangesOf(leases: Collection<Document>, target: string): Promise<Set<string>> {
  const found = await findLease(leases as unknown as Collection<LeaseDocument>, target);
  return new Set((found?.liveRanges ?? []).map(({ range }) => range));
}

/** The other job let its lease go: only its name is kept. */
function unknownHolder(job: string): LeaseHolder {
  return { job, ownerId: "", host: "", pid: 0, executionId: "" };
}
