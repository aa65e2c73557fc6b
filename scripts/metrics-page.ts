// Prints the table of docs/metrics.md from the tables of metrics: node scripts/metrics-page.ts
import { GENAI_METRICS } from "../src/observe/genai-conventions.ts";
import { COUNTED, type MetricDefinition, OBSERVED, PROCESS } from "../src/observe/metric-table.ts";
import { prometheusName } from "../src/observe/prometheus-name.ts";

const PARTS: readonly (readonly [string, Readonly<Record<string, MetricDefinition>>])[] = [
  ["Counted as it happens", COUNTED],
  ["Calls, by the GenAI conventions of OpenTelemetry", GENAI_METRICS],
  ["Looked at when somebody asks", OBSERVED],
  ["Of the process (not from the library)", PROCESS],
];

/** Every metric: its name by Prometheus, kind, labels, meaning, and its name in OpenTelemetry. */
export function metricsTable(): string {
  return PARTS.map(([heading, table]) => `### ${heading}\n\n${tableOf(Object.values(table))}`).join("\n\n");
}

function tableOf(metrics: readonly MetricDefinition[]): string {
  const rows = metrics.map((metric) => {
    const labels = metric.labels.map((label) => `\`${label.replaceAll(".", "_")}\``).join(" ");
    return `| \`${prometheusName(metric)}\` | ${metric.kind} | ${labels} | ${metric.help} | \`${metric.name}\` |`;
  });
  return `| Prometheus | kind | labels | what | OpenTelemetry |\n|---|---|---|---|---|\n${rows.join("\n")}`;
}

if (import.meta.main) process.stdout.write(`${metricsTable()}\n`);
