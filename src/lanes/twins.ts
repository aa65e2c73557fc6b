import type { Task } from "../classify.ts";

interface Asking {
  /** Items with this text that are asked now. */
  asked: number;
  /** How often nobody who was asked had an answer. */
  failures: number;
  waiting: Task[] | null;
}

const NOBODY: readonly Task[] = [];
/** So many wait at most: one that would be more is asked itself. */
const MOST_WAITING = 1_000;

/**
 * Items that wait, without a slot, for the answer to an equal one. Whoever is asked first answers for all; when it has to
 * wait between two attempts, one more is asked; when it fails, one of them is asked instead, then two at once, then four:
 * few calls are lost when the trouble was the first one's, and few rounds when it is everyone's.
 */
export class Twins {
  readonly #asking = new Map<string, Asking>();
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  /** Keys of the items that wait. */
  keys(): string[] {
    return [...this.#asking.values()].flatMap(({ waiting }) => waiting?.map(({ item }) => item.key) ?? []);
  }

  isAsked(key: string): boolean {
    return this.#asking.has(key);
  }

  /** It will be asked. */
  begin(key: string): void {
    const asking = this.#asking.get(key);
    if (asking === undefined) this.#asking.set(key, { asked: 1, failures: 0, waiting: null });
    else asking.asked += 1;
  }

  /** @returns false when nobody equal is asked, or too many wait: it has to be asked itself */
  park(key: string, task: Task): boolean {
    const asking = this.#asking.get(key);
    if (asking === undefined || this.#waiting >= MOST_WAITING) return false;
    asking.waiting ??= [];
    asking.waiting.push(task);
    this.#waiting += 1;
    return true;
  }

  /** One more is asked beside the one that has to wait for its next attempt. */
  oneMore(key: string): Task | undefined {
    const asking = this.#asking.get(key);
    const task = asking?.waiting?.shift();
    if (asking === undefined || task === undefined) return undefined;
    asking.asked += 1;
    this.#waiting -= 1;
    return task;
  }

  /**
   * One that was asked is done.
   * @param answered false: it has no answer to give
   * @returns those that need wait no longer: for the answer, or to be asked themselves
   */
  end(key: string, answered: boolean): readonly Task[] {
    const asking = this.#asking.get(key);
    if (asking === undefined) return NOBODY;
    asking.asked -= 1;
    const free = this.#freed(asking, answered);
    this.#waiting -= free.length;
    if (!answered) asking.asked += free.length;
    if (asking.asked <= 0) this.#asking.delete(key);
    return free;
  }

  #freed(asking: Asking, answered: boolean): readonly Task[] {
    if (asking.waiting === null) return NOBODY;
    if (answered) return asking.waiting.splice(0);
    if (asking.asked > 0) return NOBODY;
    asking.failures += 1;
    return asking.waiting.splice(0, 2 ** (asking.failures - 1));
  }

  /** The run stops: whoever waits goes back. */
  clear(): void {
    this.#asking.clear();
    this.#waiting = 0;
  }
}
