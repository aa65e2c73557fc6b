import type { Sample } from "../src/dashboard/api.ts";

/**
 * Adds a sample to those before it. At most `most` are kept: then every second one of the older half goes, so that the curve
 * reaches back to the start and is finest at its end. One that is not newer than the last is left out.
 */
export function withSample(samples: readonly Sample[], next: Sample, most: number): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && next.atMs <= last.atMs) return samples;
  if (samples.length < most) return [...samples, next];
  const half = samples.length >> 1;
  return [...samples.slice(0, half).filter((_, at) => at % 2 === 0), ...samples.slice(half), next];
}
