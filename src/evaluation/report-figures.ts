/** Numbers as the report writes them: the same on every machine. What is not known is a dash. */

export function percent(value: number | null, decimals = 1): string {
  return value === null ? "–" : `${(value * 100).toFixed(decimals)} %`;
}

export function whole(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function decimal(value: number | null, decimals = 3): string {
  return value === null ? "–" : value.toFixed(decimals);
}

/** Points of a percentage, with their sign. */
export function points(value: number): string {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value * 100).toFixed(1)}`;
}

export function dollars(usd: number | null): string {
  if (usd === null) return "unknown";
  return `$${usd.toFixed(usd !== 0 && usd < 0.01 ? 4 : 2)}`;
}

export function milliseconds(ms: number | null): string {
  if (ms === null) return "–";
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export function probability(value: number): string {
  return value < 0.0001 ? "< 0.0001" : `= ${value.toPrecision(2)}`;
}
