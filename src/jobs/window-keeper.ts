import type { Clocks } from "../clocks.ts";
import type { RunSnapshot } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { type WindowState, windowAt, windowLabel } from "../scheduling/window.ts";
import type { Closers } from "./closers.ts";
import type { Execution } from "./execution.ts";

/** How often the clock is looked at, in ms: it may be set, and the machine may sleep. */
const LOOK_MS = 500;

/** Pauses an execution while its run window is closed. A person's pause is another one, which the morning does not end. */
export class WindowKeeper {
  readonly #window: NonNullable<JobSettings["window"]>;
  readonly #executionId: string;
  readonly #execution: Pick<Execution, "events" | "pause" | "resume">;
  readonly #now: Clocks["now"];
  #state: WindowState = { open: true, untilMs: 0 };
  #timer: NodeJS.Timeout | null = null;

  private constructor(
    window: NonNullable<JobSettings["window"]>,
    executionId: string,
    execution: Pick<Execution, "events" | "pause" | "resume">,
    now: Clocks["now"],
  ) {
    this.#window = window;
    this.#executionId = executionId;
    this.#execution = execution;
    this.#now = now;
  }

  /**
   * Keeps to the window until the closers close. Call it before the first call can go out.
   * @returns null when calls may go out at all hours
   */
  static open(
    { window }: Pick<JobSettings, "window">,
    execution: Pick<Execution, "events" | "pause" | "resume">,
    {
      executionId,
      now,
      closers,
    }: { readonly executionId: string; readonly now: Clocks["now"]; readonly closers: Closers },
  ): WindowKeeper | null {
    if (window === undefined || window === null) return null;
    const keeper = new WindowKeeper(window, executionId, execution, now);
    keeper.#look();
    closers.add(async () => {
      if (keeper.#timer !== null) clearTimeout(keeper.#timer);
    });
    return keeper;
  }

  /** What is waited for while it is closed. */
  get waiting(): RunSnapshot["waiting"] {
    const { open, untilMs } = this.#state;
    return open ? null : { reason: this.#reason, untilMs, items: 0 };
  }

  get #reason(): string {
    return `outside the run window ${windowLabel(this.#window)} (${this.#window.timezone})`;
  }

  #look(): void {
    const nowMs = this.#now();
    const before = this.#state;
    this.#state = windowAt(this.#window, nowMs);
    const { open, untilMs } = this.#state;
    if (before.open !== open) this.#say(open, untilMs);
    this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.min(LOOK_MS, untilMs - nowMs)));
  }

  #say(open: boolean, untilMs: number): void {
    const { events } = this.#execution;
    const executionId = this.#executionId;
    if (open) {
      events.emit("window:open", { executionId, untilMs });
      this.#execution.resume({ holder: "window" });
      return;
    }
    this.#execution.pause(this.#reason, { holder: "window" });
    events.emit("execution:wait", { executionId, reason: this.#reason, untilMs, items: 0 });
  }
}
