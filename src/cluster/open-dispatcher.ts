import { QuerymillError } from "../errors.ts";
import { PollingDispatcher } from "./polling-dispatcher.ts";
import type { Dispatcher, FleetPlace, RangeBook } from "./ports.ts";

/** @throws QuerymillError USAGE for a place that no dispatcher knows */
export async function openDispatcher({ workersAt }: FleetPlace, book: RangeBook): Promise<Dispatcher> {
  if (workersAt === "mongodb") return new PollingDispatcher(book);
  const [scheme] = workersAt.split(":");
  throw new QuerymillError("USAGE", `--workers-at ${scheme}: workers meet at mongodb, the store of the job itself.`);
}
