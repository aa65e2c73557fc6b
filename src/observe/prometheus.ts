import type { AggregationTemporality, InstrumentType, MetricReader, ResourceMetrics } from "@opentelemetry/sdk-metrics";
import { loadPeers } from "./peer-package.ts";
import { prometheusName } from "./prometheus-name.ts";

type Sdk = typeof import("@opentelemetry/sdk-metrics");

/** Figures as Prometheus asks for them. */
export interface Scraped {
  /** To be given to a meter provider. */
  readonly reader: MetricReader;
  /** Text format 0.0.4. Whoever asks while it is made gets the same. */
  text(): Promise<string>;
}

export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** @throws QuerymillError CONFIG_INVALID when the packages are not installed */
export async function openScraped(): Promise<Scraped> {
  const [sdk, exporter] = (await loadPeers("--metrics", [
    "@opentelemetry/sdk-metrics",
    "@opentelemetry/exporter-prometheus",
  ])) as [Sdk, typeof import("@opentelemetry/exporter-prometheus")];
  const reader = makeReader(sdk);
  const serializer = new exporter.PrometheusSerializer(undefined, false, undefined, true, true);
  let making: Promise<string> | null = null;
  const make = async (): Promise<string> => {
    const { resourceMetrics } = await reader.collect();
    return serializer.serialize(renamed(resourceMetrics, sdk));
  };
  return {
    reader,
    text: () => {
      making ??= make().finally(() => {
        making = null;
      });
      return making;
    },
  };
}

/** Reads when it is asked. Its exporter has a server of its own; ours checks who asks, and has other pages. */
function makeReader(sdk: Sdk): MetricReader {
  class AskedReader extends sdk.MetricReader {
    protected override async onShutdown(): Promise<void> {}
    protected override async onForceFlush(): Promise<void> {}
  }
  return new AskedReader({ aggregationTemporalitySelector: (kind) => temporalityOf(kind, sdk) });
}

/**
 * Sums go on from the start. A gauge that is not told any longer is gone: with the others' temporality it would stay at its
 * last value for good.
 */
export function temporalityOf(
  kind: InstrumentType,
  { AggregationTemporality, InstrumentType }: Sdk,
): AggregationTemporality {
  return kind === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE;
}

/** The serializer leaves units out of names, and no other place to say them. */
function renamed(metrics: ResourceMetrics, { DataPointType }: Sdk): ResourceMetrics {
  return {
    ...metrics,
    scopeMetrics: metrics.scopeMetrics.map((scope) => ({
      ...scope,
      metrics: scope.metrics.map((metric) => {
        const { name, unit } = metric.descriptor;
        const isCounter = metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
        const kind = isCounter ? "counter" : metric.dataPointType === DataPointType.HISTOGRAM ? "histogram" : "gauge";
        return {
          ...metric,
          descriptor: { ...metric.descriptor, name: prometheusName({ name, unit, kind }), unit: "" },
        };
      }),
    })),
  };
}
