const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 60 * 60 * 1_000;
const MOST_ATTEMPTS = 30;
const LONGEST_AGE_MS = 24 * 60 * 60 * 1_000;

/**
 * How long a channel rests after failures in a row: 5 s, doubling up to an hour, the later half at random so that many
 * processes do not come back together. What the receiver asked for is kept.
 * @param failures in a row, at least 1
 * @param askedMs what the receiver asked to wait, or null
 * @param random uniform in [0, 1)
 */
export function restMs(failures: number, askedMs: number | null, random: () => number): number {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
  return Math.max(askedMs ?? 0, full / 2 + (random() * full) / 2);
}

/** @returns why a delivery that just failed is not tried again, or null when it is */
export function givenUpBecause(attempts: number, ageMs: number): string | null {
  if (attempts >= MOST_ATTEMPTS) return `${attempts} attempts`;
  return ageMs >= LONGEST_AGE_MS ? "24 hours" : null;
}
