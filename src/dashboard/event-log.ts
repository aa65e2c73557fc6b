import type { EventPage, Level, LoggedEvent } from "./api.ts";

const MOST_EVENTS = 1_000;
const MOST_AT_ONCE = 500;

/** The last thousand things that happened, in words. */
export class EventLog {
  readonly #events: LoggedEvent[] = [];
  #seq = 0;

  add(event: {
    readonly atMs: number;
    readonly name: string;
    readonly level: Level;
    readonly text: string;
  }): LoggedEvent {
    this.#seq += 1;
    const logged = { seq: this.#seq, ...event };
    this.#events.push(logged);
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
    return logged;
  }

  /** Newest first. @param asked null: whatever it is */
  all(asked: { readonly name: string | null; readonly level: Level | null }): readonly LoggedEvent[] {
    const { name, level } = asked;
    return this.#events
      .filter((event) => (name === null || event.name === name) && (level === null || event.level === level))
      .reverse();
  }

  /** Newest first. @param after only earlier ones than this number; null: from the newest on */
  page(asked: { readonly name: string | null; readonly after: number | null; readonly limit: number }): EventPage {
    const { name, after, limit } = asked;
    const found = this.#events.filter(
      (event) => (name === null || event.name === name) && (after === null || event.seq < after),
    );
    const names = [...new Set(this.#events.map((event) => event.name))].sort();
    return { events: found.slice(-Math.min(MOST_AT_ONCE, Math.max(1, limit))).reverse(), names };
  }
}
