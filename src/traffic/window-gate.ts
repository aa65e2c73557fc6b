import type { RunWindow } from "../scheduling/schedule.ts";
import { clockIn, type WindowState, windowAt } from "../scheduling/window.ts";

export interface WindowGateOptions {
  readonly window: RunWindow;
  /** Wall clock, epoch ms. */
  readonly now: () => number;
  /** Called when it closes and when it opens, and at the first look when it is closed. */
  readonly onChange: (state: WindowState) => void;
}

/** Says whether calls may go out by the run window. Looked at before each call and twice a second. */
export class WindowGate {
  readonly #options: WindowGateOptions;
  #state: WindowState = { open: true, untilMs: 0 };
  #lookedMs = Number.POSITIVE_INFINITY;

  constructor(options: WindowGateOptions) {
    this.#options = options;
  }

  /** @returns why no call may go out just now, or null */
  holdReason(): string | null {
    return this.waiting?.reason ?? null;
  }

  /** What is waited for while it is closed. */
  get waiting(): { readonly reason: string; readonly untilMs: number } | null {
    const { open, untilMs } = this.#look();
    if (open) return null;
    return { reason: `run window opens at ${clockIn(untilMs, this.#options.window.timezone)}`, untilMs };
  }

  #look(): WindowState {
    const { window, now, onChange } = this.#options;
    const nowMs = now();
    // A clock that is set back may be before the last change.
    if (nowMs >= this.#lookedMs && nowMs < this.#state.untilMs) return this.#state;
    const before = this.#state;
    this.#state = windowAt(window, nowMs);
    this.#lookedMs = nowMs;
    if (before.open !== this.#state.open) onChange(this.#state);
    return this.#state;
  }
}
