import { PollingDispatcher } from "./polling-dispatcher.ts";
import type { Dispatcher, FleetPlace, RangeBook } from "./ports.ts";

/** @throws QuerymillError CONFIG_INVALID, STORE_UNREACHABLE, STORE_REFUSED for a queue store that cannot be used */
export async function openDispatcher(place: FleetPlace, book: RangeBook): Promise<Dispatcher> {
  if (place.workersAt === "mongodb") return new PollingDispatcher(book);
  const { BullDispatcher } = await import("./bullmq-dispatcher.ts");
  return await BullDispatcher.open(place);
}
