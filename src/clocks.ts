/** The two clocks of a process, in ms. They are passed in everywhere; a wall clock can be set, by hours too. */
export interface Clocks {
  /** Wall clock, epoch ms: only for what is written down or shown as a point in time. */
  readonly now: () => number;
  /** Goes on evenly whatever the wall clock is set to: for waits, deadlines, ages and rates. Only differences count. */
  readonly steadyNow: () => number;
}

/** The clocks of this machine. The steady one stands still while the machine sleeps. */
export const systemClocks: Clocks = {
  now: () => Date.now(),
  steadyNow: () => Math.floor(performance.timeOrigin + performance.now()),
};

/** A moment of the steady clock by the wall clock as it is set now: for telling people when a wait ends. */
export function onWall(clocks: Clocks, steadyMs: number): number {
  return clocks.now() + steadyMs - clocks.steadyNow();
}
