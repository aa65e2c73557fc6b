import type { CallEnded } from "../call-ended.ts";
import type { Events } from "../events.ts";
import type { ItemKey } from "../item.ts";

const MOST_ITEMS = 5_000;
const MOST_CALLS = 20;

/** Remembers the last calls of an execution by their item: nothing of what was asked or answered. */
export class CallRing {
  readonly #calls = new Map<ItemKey, CallEnded[]>();

  hear(events: Events): this {
    events.on("call:ended", (call) => this.#add(call));
    return this;
  }

  /** Oldest first; empty for items that were not asked lately. */
  of(key: ItemKey): readonly CallEnded[] {
    return this.#calls.get(key) ?? [];
  }

  #add(call: CallEnded): void {
    const before = this.#calls.get(call.key) ?? [];
    this.#calls.delete(call.key);
    this.#calls.set(call.key, [...before.slice(1 - MOST_CALLS), call]);
    if (this.#calls.size <= MOST_ITEMS) return;
    const [oldest] = this.#calls.keys();
    this.#calls.delete(oldest!);
  }
}
