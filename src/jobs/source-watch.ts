import { messageOf } from "../errors.ts";
import type { Events } from "../events.ts";
import type { ItemKey } from "../item.ts";
import type { Source, SourceChange } from "../store.ts";

export interface SourceWatchOptions {
  readonly source: Source;
  readonly executionId: string;
  readonly events: Events;
  /** Whether a change can bring something that a poll would read. */
  readonly wakes: (change: SourceChange) => boolean;
  /** Others changed the source: it is to be read soon. */
  readonly onWake: () => void;
  /** Whether an item is on its way: its text may have been read already. */
  readonly isActive: (key: ItemKey) => boolean;
  /** Documents whose text may be another one than that which was or is asked. Dealt with when it resolves; until then no more is read. */
  readonly onChanged: (keys: readonly ItemKey[]) => void | Promise<void>;
  /** Everything before this token was dealt with. */
  readonly onToken: (token: string) => void;
}

/** The one watch of an execution: what others change wakes it, and what the stream's troubles are is said once each. */
export class SourceWatch {
  readonly #options: SourceWatchOptions;
  readonly #stopping = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #state: { watching: boolean; reason: string | null } | null = null;

  constructor(options: SourceWatchOptions) {
    this.#options = options;
  }

  /** null before it began, and where there is nothing to watch with. */
  get state(): { watching: boolean; reason: string | null } | null {
    return this.#state;
  }

  /** Begins; nobody waits for it. @param resumeAfter an earlier token of this source; null: from now on */
  open(resumeAfter: string | null): void {
    const { source, onToken, onWake } = this.#options;
    this.#ended = source.watch!({
      resumeAfter,
      signal: this.#stopping.signal,
      onChanges: async (changes, token) => {
        await this.#take(changes);
        onToken(token);
      },
      onState: (trouble) => {
        this.#say(trouble);
        // What came before it began, or while it was broken off, is found by reading.
        if (trouble === null) onWake();
      },
    }).catch((error: unknown) => this.#say(messageOf(error)));
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #take(changes: readonly SourceChange[]): Promise<void> {
    const { events, executionId, wakes, isActive, onWake, onChanged } = this.#options;
    const changed = changes.filter(({ key, kind }) => kind === "text" || (kind === "pending" && isActive(key)));
    if (changed.length > 0) await onChanged(changed.map(({ key }) => key));
    if (!changes.some(wakes)) return;
    const marked = changes.filter(({ kind }) => kind === "text").length;
    events.emit("source:wake", { executionId, added: changes.length - marked, changed: marked });
    onWake();
  }

  #say(reason: string | null): void {
    const state = { watching: reason === null, reason };
    const isSame = this.#state?.watching === state.watching && this.#state.reason === reason;
    this.#state = state;
    if (!isSame) this.#options.events.emit("source:watch", { executionId: this.#options.executionId, ...state });
  }
}
