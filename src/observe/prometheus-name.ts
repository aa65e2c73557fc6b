import type { MetricDefinition } from "./metric-table.ts";

/** Units that become words. Those in braces and `1` of a counter are left out. */
const UNITS: Readonly<Record<string, string>> = { s: "seconds", By: "bytes", "1": "ratio" };

/**
 * @returns what an instrument is called by Prometheus, as OpenTelemetry translates it: `querymill.item.duration` in `s` is
 * `querymill_item_duration_seconds`. A scrape and a collector that is sent the same give the same names.
 */
export function prometheusName({ name, kind, unit }: Pick<MetricDefinition, "name" | "kind" | "unit">): string {
  const words = name.replaceAll(/[^a-zA-Z0-9]+/g, "_");
  const word = UNITS[unit];
  const withUnit = word === undefined || words.endsWith(`_${word}`) ? words : `${words}_${word}`;
  return kind === "counter" ? `${withUnit}_total` : withUnit;
}
