import { count } from "./format.ts";

/** How often progress is told, in ms. */
const PROGRESS_MS = 500;

/** One line on a terminal's stderr that is written over. */
export interface RowProgress {
  /** @param doing what is done with the rows, such as `checked` */
  tell(rows: number, doing: string): void;
  /** Takes the line away. Doing it twice changes nothing. */
  end(): void;
}

/** @param silent tells nothing; nor is anything told where stderr is no terminal */
export function showProgress(silent: boolean): RowProgress {
  if (silent || process.stderr.isTTY !== true) return { tell: () => {}, end: () => {} };
  let toldMs = performance.now();
  let shown = false;
  return {
    tell: (rows, doing) => {
      if (performance.now() - toldMs < PROGRESS_MS) return;
      toldMs = performance.now();
      shown = true;
      process.stderr.write(`\r\x1b[K${count(rows)} rows ${doing}`);
    },
    end: () => {
      if (shown) process.stderr.write("\r\x1b[K");
      shown = false;
    },
  };
}
