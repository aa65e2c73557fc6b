import type { ServerResponse } from "node:http";
import type { LimitStep, LoggedEvent, Overview, Sample } from "./api.ts";

/** What the stream tells, by the name of its message. */
export interface LiveMessages {
  overview: Overview;
  sample: Sample;
  limit: LimitStep;
  event: LoggedEvent;
}
/** An overview says all there is: the last one is enough. The others are told again to who missed them. */
type Kept = Exclude<keyof LiveMessages, "overview">;

export const MOST_VIEWERS = 64;
/** Messages that are kept for those who come back: those of ten minutes with a change of a limit every second. */
const MOST_KEPT = 1_200;
/** Bytes that may still wait for one viewer when there are more: whoever reads no more is let go of. */
const MOST_WAITING_BYTES = 256 * 1_024;

interface Viewer {
  readonly response: ServerResponse;
  /** Epoch ms: until then its session is good. */
  readonly untilMs: number;
  /** Whether its token is still one. */
  readonly holds: () => boolean;
}

/** The stream of server-sent events: everything is written down once, and sent to all viewers as it is. */
export class LiveHub {
  readonly #viewers = new Set<Viewer>();
  readonly #start: string;
  readonly #kept: { readonly number: number; readonly text: string }[] = [];
  #number = 0;
  #unsent: string[] = [];

  /** @param start tells this stream's ids from those of another start */
  constructor(start: string) {
    this.#start = start;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Goes out with the next {@link flush}. */
  keep<Name extends Kept>(name: Name, value: LiveMessages[Name]): void {
    this.#number += 1;
    const text = message(name, value, `${this.#start}-${this.#number}`);
    this.#kept.push({ number: this.#number, text });
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
    if (this.#viewers.size === 0) return;
    this.#unsent.push(text);
    if (this.#unsent.length > MOST_KEPT) this.#unsent.shift();
  }

  /** Sends what was kept since the last time, and an overview. */
  flush(overview: Overview | null, nowMs: number): void {
    const text = this.#unsent.join("") + (overview === null ? ": \n\n" : message("overview", overview, null));
    this.#unsent = [];
    const bytes = Buffer.from(text);
    for (const viewer of this.#viewers) {
      if (viewer.untilMs <= nowMs || !viewer.holds()) viewer.response.end();
      else this.#write(viewer, bytes);
    }
  }

  /**
   * @param lastId of the last message that a viewer has seen, when it comes back
   * @param holds whether it may still be told
   * @returns false when there are too many
   */
  add(
    response: ServerResponse,
    lastId: string | undefined,
    { untilMs, holds = () => true }: { readonly untilMs: number; readonly holds?: () => boolean },
    overview: Overview,
  ): boolean {
    if (this.#viewers.size >= MOST_VIEWERS) return false;
    const viewer: Viewer = { response, untilMs, holds };
    response.on("error", () => {});
    response.once("close", () => this.#viewers.delete(viewer));
    response.flushHeaders();
    const missed = this.#missedSince(lastId);
    // What waits for the next flush goes to this one with it.
    const waiting = new Set(this.#unsent);
    const text = missed.filter((one) => !waiting.has(one)).join("");
    this.#viewers.add(viewer);
    this.#write(viewer, Buffer.from(`retry: 2000\n\n${text}${message("overview", overview, null)}`));
    return true;
  }

  close(): void {
    for (const { response } of this.#viewers) response.end();
  }

  #missedSince(lastId: string | undefined): string[] {
    const [start, number] = lastId?.split("-") ?? [];
    if (start !== this.#start || !/^\d+$/.test(number ?? "")) return [];
    return this.#kept.filter((one) => one.number > Number(number)).map(({ text }) => text);
  }

  #write(viewer: Viewer, bytes: Buffer): void {
    const { response } = viewer;
    if (response.writableLength <= MOST_WAITING_BYTES) {
      response.write(bytes);
      return;
    }
    this.#viewers.delete(viewer);
    response.destroy();
  }
}

function message(name: keyof LiveMessages, value: object, id: string | null): string {
  return `${id === null ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}
