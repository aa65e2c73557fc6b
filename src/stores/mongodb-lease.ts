import type { Collection, Document } from "mongodb";
import { QuerymillError } from "../errors.ts";
import type { Lease, LeaseHolder, LeaseResult } from "../store.ts";
import type { StoreErrors } from "./mongodb-errors.ts";

/** `_id` is the target's name. `expiresAt` is by the server's clock; null when nobody holds it. */
interface LeaseDocument extends Document {
  readonly _id: string;
  readonly fence: number;
  readonly job?: string | null;
  readonly holder?: LeaseHolder | null;
  readonly expiresAt?: Date | null;
}

const triesAgainstRaces = 5;
const duplicateKey = 11_000;

/** One document per target, changed only by atomic updates that compare with the server's own clock. */
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
      this.#leases.updateOne({ _id: target, "holder.ownerId": ownerId, fence }, [
        { $set: { expiresAt: { $add: ["$$NOW", ttlMs] } } },
      ]),
    );
    return matchedCount === 1;
  }

  async release(target: string, ownerId: string, fence: number): Promise<void> {
    await this.#guarded(() =>
      this.#leases.updateOne(
        { _id: target, "holder.ownerId": ownerId, fence },
        { $set: { holder: null, expiresAt: null } },
      ),
    );
  }

  async forget(target: string): Promise<void> {
    await this.#guarded(() =>
      this.#leases.updateOne({ _id: target }, { $set: { job: null, holder: null, expiresAt: null } }),
    );
  }

  async remove(target: string): Promise<void> {
    await this.#guarded(() => this.#leases.deleteOne({ _id: target }));
  }

  async look(target: string): Promise<{ job: string; holder: LeaseHolder | null } | null> {
    const found = await this.#guarded(() => this.#find(target));
    if (typeof found?.job !== "string") return null;
    return { job: found.job, holder: Number(found.expiresInMs ?? 0) > 0 ? (found.holder ?? null) : null };
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
    const free = {
      $or: [
        { $eq: [expiresAt, null] },
        { $lte: [expiresAt, "$$NOW"] },
        { $eq: ["$holder.ownerId", { $literal: holder.ownerId }] },
      ],
    };
    return this.#leases.findOneAndUpdate(
      { _id: target, $expr: { $and: [ours, free] } },
      [
        {
          $set: {
            job: { $literal: holder.job },
            holder: { $literal: { ...holder } },
            fence: { $add: ["$fence", 1] },
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
    if (!found.holder || !(Number(found.expiresInMs ?? 0) > 0)) return null;
    return { status: "busy", holder: found.holder, expiresInMs: Number(found.expiresInMs) };
  }

  async #find(target: string): Promise<(LeaseDocument & { expiresInMs?: number | null }) | undefined> {
    const found = await this.#leases
      .aggregate<LeaseDocument & { expiresInMs?: number | null }>([
        { $match: { _id: target } },
        { $set: { expiresInMs: { $toDouble: { $subtract: ["$expiresAt", "$$NOW"] } } } },
      ])
      .toArray();
    return found[0];
  }
}

/** The other job let its lease go: only its name is kept. */
function unknownHolder(job: string): LeaseHolder {
  return { job, ownerId: "", host: "", pid: 0, executionId: "" };
}
