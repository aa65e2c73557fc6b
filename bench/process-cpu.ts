import { readFileSync } from "node:fs";

/** Linux counts in hundredths of a second, whatever its own clock does. */
const TICK_MS = 10;

/** CPU time of another process so far, all its threads, in ms; NaN where it cannot be seen. */
export function cpuMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return Number.NaN;
  }
}
