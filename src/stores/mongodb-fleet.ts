import type { Collection, Db, Document, Filter } from "mongodb";
import type { FleetStore } from "../cluster/ports.ts";
import { MongoBoard } from "./mongodb-board.ts";
import type { StoreErrors } from "./mongodb-errors.ts";
import { MongoHandedOver } from "./mongodb-handed.ts";
import { liveRangesOf } from "./mongodb-lease.ts";
import { MongoRangeBook } from "./mongodb-ranges.ts";

/** What is ours in a collection, whatever else has its name. */
interface Place {
  readonly collection: Collection<Document>;
  readonly ours: Filter<Document>;
}

/** What stands beside a target that several processes work off: the plan, the workers and orders, failures on their way. */
export class MongoFleet implements FleetStore {
  readonly book: MongoRangeBook;
  readonly handed: MongoHandedOver;
  readonly board: MongoBoard;
  readonly #fleet: Place;
  /** In the order of removing. */
  readonly #places: readonly Place[];
  readonly #guarded: StoreErrors;

  constructor(db: Db, target: string, guarded: StoreErrors) {
    const [ranges, fleet, queue] = ["ranges", "fleet", "queue"].map((name) => db.collection(`${target}_${name}`));
    const live = () => liveRangesOf(db.collection("querymill_leases"), target);
    this.book = new MongoRangeBook({ ranges: ranges!, fleet: fleet!, live, guarded });
    this.handed = new MongoHandedOver(queue!, guarded);
    this.board = new MongoBoard(fleet!, guarded);
    this.#fleet = { collection: fleet!, ours: { _id: { $in: [/^(plan|orders)$/, /^worker:/] as never } } };
    this.#places = [
      { collection: ranges!, ours: { _id: { $in: [/^r\d{9,}$/] as never } } },
      { collection: queue!, ours: { "_id.range": { $exists: true }, "_id.kind": { $in: ["retry", "dead"] } } },
      this.#fleet,
    ];
    this.#guarded = guarded;
  }

  async left(): ReturnType<FleetStore["left"]> {
    return await this.#guarded(async () => {
      const { collection, ours } = this.#fleet;
      if ((await collection.findOne(ours)) === null) return [];
      const counted = this.#places.map(async (place) => ({
        name: place.collection.collectionName,
        documents: await place.collection.countDocuments(place.ours),
      }));
      return (await Promise.all(counted)).filter(
        ({ name, documents }) => documents > 0 || name === collection.collectionName,
      );
    });
  }

  async remove(): Promise<void> {
    await this.#guarded(async () => {
      // The last one says that there are others.
      for (const { collection, ours } of this.#places) {
        await collection.deleteMany(ours);
        if ((await collection.findOne({})) === null) await collection.drop();
      }
    });
  }
}
