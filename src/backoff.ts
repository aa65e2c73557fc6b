import type { Task } from "./classify.ts";

/** Items between two attempts, with when they may be tried again. Times are of the steady clock. */
export class Backoff {
  readonly #waiting = new Map<Task, { readonly atMs: number; readonly reason: string }>();

  get size(): number {
    return this.#waiting.size;
  }

  /** How many, when the first may be tried again, and why it waits. */
  get first(): { readonly count: number; readonly nextAtMs: number | null; readonly reason: string | null } {
    let next: { readonly atMs: number; readonly reason: string } | null = null;
    for (const entry of this.#waiting.values()) if (next === null || entry.atMs < next.atMs) next = entry;
    return { count: this.#waiting.size, nextAtMs: next?.atMs ?? null, reason: next?.reason ?? null };
  }

  add(task: Task, atMs: number, reason: string): void {
    this.#waiting.set(task, { atMs, reason });
  }

  /** One that may be tried again, which then waits no longer. */
  takeDue(steadyNow: () => number): Task | undefined {
    if (this.#waiting.size === 0) return undefined;
    const nowMs = steadyNow();
    for (const [task, { atMs }] of this.#waiting) {
      if (atMs > nowMs) continue;
      this.#waiting.delete(task);
      return task;
    }
    return undefined;
  }

  /** All of them, which then wait no longer. */
  takeAll(): Task[] {
    const tasks = [...this.#waiting.keys()];
    this.#waiting.clear();
    return tasks;
  }

  /** What they waited since, beyond their own time, does not count against their deadlines. */
  excuse(sinceMs: number, nowMs: number): void {
    for (const [task, { atMs }] of this.#waiting) task.restedMs += Math.max(0, nowMs - Math.max(sinceMs, atMs));
  }
}
