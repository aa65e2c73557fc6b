import type { Collection, Document } from "mongodb";
import type { FleetPlan, FreeRange, PlannedRange, RangeBook, RangeTaker, RangeWork } from "../cluster/ports.ts";
import type { RangeCounts } from "../fleet.ts";
import type { RangeSettings } from "../job.ts";
import { fenced, notAbove, takenOver } from "./coordinator-fence.ts";
import type { StoreErrors } from "./mongodb-errors.ts";

/** `_id` is the range's name. Keys are canonical EJSON texts. */
interface RangeDocument extends Document, Omit<PlannedRange, "name" | "takenAtMs"> {
  readonly _id: string;
  readonly takenAt: Date | null;
}
interface PlanDocument extends Document, FleetPlan {
  readonly _id: string;
  readonly fence: number;
}

const PLAN = "plan";
/** What is a range, among what others may have put into a collection of that name. */
const OURS = { _id: { $regex: "^r[0-9]{9,}$" }, number: { $type: "number" }, work: { $type: "object" } } as const;

/** What {@link MongoRangeBook} works on. */
export interface RangePlaces {
  readonly ranges: Collection<Document>;
  /** Of the plan and the board. */
  readonly fleet: Collection<Document>;
  /** Names of ranges whose lease lives. */
  readonly live: () => Promise<ReadonlySet<string>>;
  readonly guarded: StoreErrors;
}

/** The plan of a target: `<target>_ranges`, one document a range, removed when the job has counted it. */
export class MongoRangeBook implements RangeBook {
  readonly #ranges: Collection<RangeDocument>;
  readonly #plan: Collection<PlanDocument>;
  readonly #live: RangePlaces["live"];
  readonly #guarded: StoreErrors;

  constructor({ ranges, fleet, live, guarded }: RangePlaces) {
    this.#ranges = ranges as unknown as Collection<RangeDocument>;
    this.#plan = fleet as unknown as Collection<PlanDocument>;
    this.#live = live;
    this.#guarded = guarded;
  }

  async plan(): Promise<FleetPlan | null> {
    const found = await this.#guarded(() => this.#plan.findOne({ _id: PLAN }));
    if (!found) return null;
    const { job, executionId, question, cut, next = 1 } = found;
    return { job, executionId, question, cut, next };
  }

  async change(plan: Omit<FleetPlan, "next">, fence: number): Promise<void> {
    await this.#guarded(() =>
      fenced(() =>
        this.#plan.updateOne({ _id: PLAN, ...notAbove(fence) }, { $set: { ...plan, fence } }, { upsert: true }),
      ),
    );
  }

  async add(
    ranges: readonly (RangeSettings & { readonly number: number; readonly items: number })[],
    fence: number,
  ): Promise<void> {
    if (ranges.length === 0) return;
    const operations = ranges.map(({ name, ...range }) => ({
      updateOne: { filter: { _id: name }, update: { $setOnInsert: { ...range, ...NEW_RANGE } }, upsert: true },
    }));
    const next = Math.max(...ranges.map(({ number }) => number)) + 1;
    await this.#guarded(async () => {
      // The number first: a name is never given twice, whatever is removed meanwhile.
      const { matchedCount } = await this.#plan.updateOne({ _id: PLAN, fence }, { $max: { next } });
      if (matchedCount === 0) throw takenOver();
      await this.#ranges.bulkWrite(operations as never, { ordered: true });
    });
  }

  async last(): Promise<PlannedRange | null> {
    const [found] = await this.#guarded(() =>
      this.#ranges
        .find(OURS as never)
        .sort({ _id: -1 })
        .limit(1)
        .toArray(),
    );
    return found === undefined ? null : rangeOf(found);
  }

  async free(limit: number): Promise<readonly FreeRange[]> {
    return await this.#guarded(async () => {
      const found = await this.#ranges
        .find({ ...OURS, state: "waiting" } as never, { projection: { attempts: 1 }, sort: { _id: 1 }, limit })
        .toArray();
      const taken = await this.#ranges
        .find({ ...OURS, state: "taken" } as never, { projection: { attempts: 1 } })
        .toArray();
      const live = taken.length === 0 ? new Set<string>() : await this.#live();
      return [...taken.filter(({ _id }) => !live.has(_id)), ...found]
        .map(({ _id, attempts }) => ({ name: _id, attempts }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .slice(0, limit);
    });
  }

  async find(name: string): Promise<PlannedRange | null> {
    const found = await this.#guarded(() => this.#ranges.findOne({ _id: name }));
    return found ? rangeOf(found) : null;
  }

  async isHeld(name: string): Promise<boolean> {
    return (await this.#guarded(() => this.#live())).has(name);
  }

  async list(limit: number): Promise<readonly PlannedRange[]> {
    const found = await this.#guarded(() =>
      this.#ranges
        .find(OURS as never)
        .sort({ _id: 1 })
        .limit(limit)
        .toArray(),
    );
    return found.map(rangeOf);
  }

  async take(seen: PlannedRange, taker: RangeTaker): Promise<boolean> {
    const { worker, ownerId, executionId, fence, alone } = taker;
    const crashed = seen.state === "taken";
    // On the same folder the journal knows what was in flight, and whose fault it was.
    const struck = crashed && seen.ownerId !== ownerId;
    const { matchedCount } = await this.#guarded(() =>
      this.#ranges.updateOne({ _id: seen.name, fence: seen.fence, state: seen.state }, [
        {
          $set: {
            state: "taken",
            worker: { $literal: worker },
            ownerId: { $literal: ownerId },
            executionId: { $literal: executionId },
            fence,
            alone,
            takenAt: "$$NOW",
            attempts: { $add: ["$attempts", 1] },
            crashes: { $add: ["$crashes", crashed ? 1 : 0] },
            strikes: { $add: ["$strikes", struck ? 1 : 0] },
          },
        },
      ]),
    );
    return matchedCount === 1;
  }

  async progress(name: string, fence: number, ownerId: string, work: RangeWork): Promise<boolean> {
    return await this.#update(name, fence, { [`work.${ownerId}`]: work });
  }

  async finish(
    name: string,
    { fence, ownerId }: Pick<RangeTaker, "fence" | "ownerId">,
    state: "waiting" | "done" | "dead",
    work: RangeWork | null,
    reason: string | null = null,
  ): Promise<boolean> {
    const done = work === null ? {} : { [`work.${ownerId}`]: work };
    return await this.#update(name, fence, { state, reason, ...done });
  }

  async excuse(name: string): Promise<void> {
    await this.#guarded(() =>
      this.#ranges.updateOne({ _id: name }, [
        {
          $set: {
            crashes: { $max: [0, { $subtract: ["$crashes", 1] }] },
            strikes: { $max: [0, { $subtract: ["$strikes", 1] }] },
          },
        },
      ]),
    );
  }

  async remove(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#guarded(() => this.#ranges.deleteMany({ _id: { $in: [...names] } }));
  }

  async counts(): Promise<RangeCounts> {
    const counts = { waiting: 0, taken: 0, done: 0, dead: 0 };
    const found = await this.#guarded(() =>
      this.#ranges
        .aggregate<{ _id: string; n: number }>([{ $match: OURS }, { $group: { _id: "$state", n: { $sum: 1 } } }])
        .toArray(),
    );
    for (const { _id, n } of found) if (_id in counts) counts[_id as keyof typeof counts] = n;
    return counts;
  }

  async #update(name: string, fence: number, set: Document): Promise<boolean> {
    const { matchedCount } = await this.#guarded(() =>
      this.#ranges.updateOne({ _id: name, fence, state: "taken" }, { $set: set }),
    );
    return matchedCount === 1;
  }
}

const NEW_RANGE = {
  state: "waiting",
  fence: 0,
  worker: null,
  ownerId: null,
  executionId: null,
  takenAt: null,
  attempts: 0,
  crashes: 0,
  strikes: 0,
  alone: false,
  work: {},
  reason: null,
} as const;

function rangeOf({ _id, takenAt, executionId: _, ...rest }: RangeDocument): PlannedRange {
  return { ...(rest as unknown as Omit<PlannedRange, "name" | "takenAtMs">), name: _id, takenAtMs: msOf(takenAt) };
}

function msOf(at: Date | null): number | null {
  return at === null ? null : at.getTime();
}
