/** Calls that leave in the same moment, or in neighbouring ones, may reach a server in any order, in ms. */
export const MOMENT_MS = 100;

/** What was charged by the calls that left within one moment. Links lead forward only: old moments are forgotten. */
interface Moment {
  readonly index: number;
  /** Everything charged before it, and up to its end. */
  start: number;
  end: number;
  /** Everything charged before the moment that it adjoins, if it does; else its start. */
  early: number;
  /** Numbers of the last charge before `early` and of the last one within it. */
  readonly earlyNumber: number;
  readonly startNumber: number;
  endNumber: number;
  next: Moment | null;
}

/** One call's part of one limit. */
export interface Charge {
  readonly sentMs: number;
  /** Counts charges. */
  readonly number: number;
  readonly moment: Moment;
  amount: number;
}

/** What the other calls have charged that were sent after one call, as far as the order is known. */
export interface Later {
  /** By those that were sent clearly later. */
  readonly surely: number;
  /** By those as well that were sent at nearly the same time. */
  readonly perhaps: number;
  /** The last charge that is in neither, and the last one that is not in `surely`. */
  readonly perhapsFrom: number;
  readonly surelyFrom: number;
}

/** What calls have charged against one kind of limit, in the order in which they were sent. */
export class SendLedger {
  #total = 0;
  #number = 0;
  #latest: Moment | null = null;

  add(nowMs: number, amount: number): Charge {
    const moment = this.#momentAt(nowMs);
    this.#number += 1;
    this.#total += amount;
    moment.end = this.#total;
    moment.endNumber = this.#number;
    return { sentMs: nowMs, number: this.#number, moment, amount };
  }

  /** Corrects a charge. One step per moment since it was made. @returns by how much it grew */
  change(charge: Charge, amount: number): number {
    const grewBy = amount - charge.amount;
    if (grewBy === 0) return 0;
    charge.amount = amount;
    this.#total += grewBy;
    charge.moment.end += grewBy;
    for (let moment = charge.moment.next; moment !== null; moment = moment.next) {
      moment.start += grewBy;
      moment.end += grewBy;
      if (moment.earlyNumber >= charge.number) moment.early += grewBy;
    }
    return grewBy;
  }

  laterThan({ moment, amount }: Charge): Later {
    const last = moment.next?.index === moment.index + 1 ? moment.next : moment;
    return {
      surely: this.#total - last.end,
      perhaps: this.#total - moment.early - amount,
      perhapsFrom: moment.earlyNumber,
      surelyFrom: last.endNumber,
    };
  }

  #momentAt(nowMs: number): Moment {
    const index = Math.floor(nowMs / MOMENT_MS);
    const latest = this.#latest;
    if (latest !== null && index <= latest.index) return latest;
    const adjoins = latest !== null && latest.index === index - 1;
    const made: Moment = {
      index,
      start: this.#total,
      end: this.#total,
      early: adjoins ? latest.start : this.#total,
      earlyNumber: adjoins ? latest.startNumber : this.#number,
      startNumber: this.#number,
      endNumber: this.#number,
      next: null,
    };
    if (latest !== null) latest.next = made;
    this.#latest = made;
    return made;
  }
}
