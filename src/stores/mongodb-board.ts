import type { Collection, Document } from "mongodb";
import { FLEET_SILENT_MS, type FleetBoard, type FleetOrders, NO_ORDERS } from "../cluster/ports.ts";
import type { WorkerReport } from "../fleet.ts";
import { fenced, notAbove } from "./coordinator-fence.ts";
import type { StoreErrors } from "./mongodb-errors.ts";

interface BoardDocument extends Document {
  readonly _id: string;
}

const ORDERS = "orders";
const WORKER = "worker:";

/** Who works on a target and what they are told, in `<target>_fleet`: one document a worker, one for all orders. */
export class MongoBoard implements FleetBoard {
  readonly #fleet: Collection<BoardDocument>;
  readonly #guarded: StoreErrors;

  constructor(fleet: Collection<Document>, guarded: StoreErrors) {
    this.#fleet = fleet as unknown as Collection<BoardDocument>;
    this.#guarded = guarded;
  }

  async report(worker: WorkerReport): Promise<void> {
    await this.#guarded(() =>
      this.#fleet.updateOne(
        { _id: WORKER + worker.name },
        [{ $set: { report: { $literal: worker }, at: "$$NOW" } }],
        // Shown for some seconds only: nothing is lost with it.
        { upsert: true, writeConcern: { w: 1 } },
      ),
    );
  }

  async leave(name: string): Promise<void> {
    await this.#guarded(() => this.#fleet.deleteOne({ _id: WORKER + name }));
  }

  async workers(): Promise<readonly WorkerReport[]> {
    return await this.#guarded(async () => {
      const found = await this.#fleet
        .aggregate<{ report: WorkerReport; silentMs: number }>([
          { $match: { _id: { $gte: WORKER, $lt: "worker;" } as never } },
          { $sort: { _id: 1 } },
          { $project: { report: 1, silentMs: { $toDouble: { $subtract: ["$$NOW", "$at"] } } } },
        ])
        .toArray();
      return found
        .filter(({ silentMs }) => silentMs <= FLEET_SILENT_MS)
        .map(({ report, silentMs }) => ({ ...report, silentMs }));
    });
  }

  async orders(): Promise<FleetOrders> {
    const found = await this.#guarded(() => this.#fleet.findOne({ _id: ORDERS }));
    return found === null ? NO_ORDERS : ordersOf(found);
  }

  async order(change: Partial<Omit<FleetOrders, "version">>, fence: number): Promise<FleetOrders> {
    const { version: _, ...none } = NO_ORDERS;
    const unsaid = Object.fromEntries(Object.entries(none).filter(([name]) => !(name in change)));
    const found = await this.#guarded(() =>
      fenced(() =>
        this.#fleet.findOneAndUpdate(
          { _id: ORDERS, ...notAbove(fence) },
          {
            $set: { ...change, fence },
            $inc: { version: 1 },
            ...(Object.keys(unsaid).length === 0 ? {} : { $setOnInsert: unsaid }),
          },
          { upsert: true, returnDocument: "after" },
        ),
      ),
    );
    return ordersOf(found!);
  }
}

function ordersOf({ version, paused, ending, concurrent, budget = null, drained }: BoardDocument): FleetOrders {
  return { version, paused, ending, concurrent, budget, drained } as FleetOrders;
}
