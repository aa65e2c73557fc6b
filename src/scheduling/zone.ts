const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * @param ms epoch ms
 * @returns what the clocks of a zone show then: the epoch ms at which a clock in UTC shows the same
 */
export function wallOf(ms: number, zone: string): number {
  const found = formats.get(zone);
  const format = found ?? new Intl.DateTimeFormat("en-US", { ...PARTS, timeZone: zone });
  if (found === undefined) formats.set(zone, format);
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value);
  const { year, month, day, hour, minute, second } = parts as Record<keyof typeof PARTS, number>;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((ms % 1_000) + 1_000) % 1_000);
}

/**
 * The first moment at which the clocks of a zone show a time. One that is left out, as the clocks are set forward, is the
 * moment at which they are set.
 * @param wallMs as {@link wallOf} returns it
 * @returns epoch ms
 */
export function momentOf(wallMs: number, zone: string): number {
  const offsetAt = (ms: number): number => wallOf(ms, zone) - ms;
  const candidates = [offsetAt(wallMs - DAY_MS), offsetAt(wallMs + DAY_MS)].map((offset) => wallMs - offset);
  const shown = candidates.filter((ms) => wallOf(ms, zone) === wallMs);
  if (shown.length > 0) return Math.min(...shown);
  let [before, after] = [Math.min(...candidates), Math.max(...candidates)];
  const offset = offsetAt(before);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(middle) === offset) before = middle;
    else after = middle;
  }
  return after;
}

/** @returns whether this machine knows a time zone of that name */
export function isTimezone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** The time zone of this machine. */
export function machineTimezone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The zone that settings name, else this machine's. */
export function zoneOf({ timezone }: { readonly timezone?: string }): string {
  return timezone ?? machineTimezone();
}

const PARTS = {
  hourCycle: "h23",
  year: "numeric",
  month: "numeric",
  day: "numeric",
  hour: "numeric",
  minute: "numeric",
  second: "numeric",
} as const;
