import { loadavg } from "node:os";
import { figure, shown } from "./statistics.ts";

/** How busy the machine was with other things while something was measured. */
export class Noise {
  readonly #loadBefore = loadavg()[0]!;
  readonly #wallMs: number[] = [];
  readonly #cpuMs: number[] = [];

  /** Fixed work on one core, timed: call it in each round. On a quiet machine all calls take the same time. */
  calibrate(): void {
    const cpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    let state = 1;
    for (let step = 0; step < 50_000_000; step += 1) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    this.#wallMs.push(performance.now() - startedMs + (state & 0));
    const { user, system } = process.cpuUsage(cpuBefore);
    this.#cpuMs.push((user + system) / 1_000);
  }

  /** What a reader has to know to judge the figures. */
  line(): string {
    const wall = figure("", "ms", this.#wallMs);
    const cpu = figure("", "ms", this.#cpuMs);
    const range = ({ min, max }: { min: number; max: number }): string => `${shown(min)} to ${shown(max)} ms`;
    return `load ${shown(this.#loadBefore)} before, ${shown(loadavg()[0]!)} after; the same work took ${range(wall)} (CPU ${range(cpu)}) in ${wall.rounds} rounds`;
  }
}
