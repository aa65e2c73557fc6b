const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** @returns `2 h 5 min`, `40 s`: the two largest units; `less than a second` */
export function lasting(ms: number): string {
  const largest = UNITS.findIndex(([, length]) => ms >= length);
  if (largest < 0) return "less than a second";
  const [unit, length] = UNITS[largest]!;
  const rest = ms % length;
  const [nextUnit, nextLength] = UNITS[largest + 1] ?? ["", 0];
  const next = nextLength === 0 ? 0 : Math.floor(rest / nextLength);
  return `${Math.floor(ms / length)} ${unit}${next > 0 ? ` ${next} ${nextUnit}` : ""}`;
}

/** @returns what stands behind "the last": `hour`, `day`, `10 min` */
export function recently(ms: number): string {
  const single = { 60000: "minute", 3600000: "hour", 86400000: "day" } as const;
  return single[ms as keyof typeof single] ?? lasting(ms);
}

/** @returns `2026-03-02 08:00 UTC` */
export function momentOf(ms: number): string {
  return new Date(ms).toISOString().replace(/T(.....).*/, " $1 UTC");
}

/** A sentence of what others said, with one full stop. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** @returns `41 %`, and `0.4 %` below one */
export function percent(share: number): string {
  const hundredths = share * 100;
  return `${hundredths > 0 && hundredths < 1 ? hundredths.toFixed(1) : Math.round(hundredths)} %`;
}

/** @returns `1 dead letter`, `12,000 dead letters` */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @returns `$12.50`; four digits below a dollar */
export function dollars(usd: number): string {
  return `$${usd.toFixed(usd > 0 && usd < 1 ? 4 : 2)}`;
}
