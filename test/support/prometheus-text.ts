import parse from "parse-prometheus-text-format";

export interface ReadMetrics {
  /** Of families and, for histograms, of their series too. */
  readonly names: readonly string[];
  /** Over all series that have these labels; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  /** Of the one series that has these labels. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
  /** Values of a label. */
  valuesOf(label: string): Set<string>;
}

/** Reads Prometheus text with a parser that is not ours. */
export function readMetrics(text: string): ReadMetrics {
  const families = parse(text);
  // Of a histogram it keeps the last set of labels only: its series are read as what they are.
  const series = parse(text.replaceAll(/^# TYPE \S+ histogram$/gm, "")).flatMap(({ name, metrics }) =>
    metrics.map(({ labels = {}, value }) => ({ name, labels, value: Number(value) })),
  );
  const find = (name: string, wanted: Readonly<Record<string, string>> = {}) =>
    series.filter(
      (one) => one.name === name && Object.entries(wanted).every(([key, value]) => one.labels[key] === value),
    );
  return {
    names: [...new Set([...families, ...series].map(({ name }) => name))],
    sum: (name, labels) => find(name, labels).reduce((total, { value }) => total + value, 0),
    value: (name, labels) => find(name, labels)[0]?.value,
    valuesOf: (label) => new Set(series.flatMap(({ labels }) => labels[label] ?? [])),
  };
}
