import type { Tracer } from "@opentelemetry/api";
import type { MetricReader } from "@opentelemetry/sdk-metrics";
import type { OtlpSettings } from "../config/metrics.ts";
import { loadPeers } from "./peer-package.ts";
import { temporalityOf } from "./prometheus.ts";

/** Sends metrics and traces to a collector. */
export interface Otlp {
  /** To be given to a meter provider; null when only traces are sent. */
  readonly reader: MetricReader | null;
  /** null when only metrics are sent. */
  readonly tracer: Tracer | null;
  /** Sends what is there, as long as the collector takes it; `shutDown` is that of the meter provider. */
  close(shutDown: () => Promise<void>): Promise<void>;
}

export interface OtlpOptions extends OtlpSettings {
  readonly version: string;
  /** Called when the collector begins to refuse what it is sent, or is away; null when it takes it again. */
  readonly onTrouble: (trouble: string | null) => void;
}

interface Exporter {
  export(items: never, done: (result: { code: number; error?: Error }) => void): void;
}

/** One export, its retries included, and the wait for the last one, in ms. */
const EXPORT_MS = 3_000;
const SUCCESS = 0;

/** @throws QuerymillError CONFIG_INVALID when packages are not installed */
export async function openOtlp(options: OtlpOptions): Promise<Otlp> {
  let isAway = false;
  const told = (error: Error | null): void => {
    if (isAway === (error !== null)) return;
    isAway = error !== null;
    options.onTrouble(error?.message ?? null);
  };
  const reader = options.metrics ? await metricReader(options, told) : null;
  const traces = options.traces ? await traceProvider(options, told) : null;
  return {
    reader,
    tracer: traces?.getTracer("querymill", options.version) ?? null,
    close: async (shutDown) => {
      // Sending to one that is away would only keep the process.
      if (isAway) return;
      await within(EXPORT_MS, Promise.allSettled([shutDown(), traces?.shutdown()]));
    },
  };
}

type Told = (error: Error | null) => void;

async function metricReader({ endpoint, intervalMs }: OtlpOptions, told: Told): Promise<MetricReader> {
  const [sdk, otlp] = (await loadPeers("Sending metrics by OTLP", [
    "@opentelemetry/sdk-metrics",
    "@opentelemetry/exporter-metrics-otlp-http",
  ])) as [typeof import("@opentelemetry/sdk-metrics"), typeof import("@opentelemetry/exporter-metrics-otlp-http")];
  const exporter = new otlp.OTLPMetricExporter(target(endpoint, "metrics"));
  listen(exporter, told);
  const usual = exporter.selectAggregationTemporality.bind(exporter);
  exporter.selectAggregationTemporality = (kind) =>
    kind === sdk.InstrumentType.OBSERVABLE_GAUGE ? temporalityOf(kind, sdk) : usual(kind);
  return new sdk.PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: Math.min(intervalMs, EXPORT_MS),
  });
}

/** Takes every trace: which items are traced is chosen before. */
async function traceProvider({ endpoint, version }: OtlpOptions, told: Told) {
  const [sdk, otlp, resources] = (await loadPeers("Sending traces by OTLP", [
    "@opentelemetry/sdk-trace",
    "@opentelemetry/exporter-trace-otlp-http",
    "@opentelemetry/resources",
  ])) as [
    typeof import("@opentelemetry/sdk-trace"),
    typeof import("@opentelemetry/exporter-trace-otlp-http"),
    typeof import("@opentelemetry/resources"),
  ];
  const exporter = new otlp.OTLPTraceExporter(target(endpoint, "traces"));
  listen(exporter, told);
  return new sdk.TracerProvider({
    resource: resourceOf(resources, version),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_MS })],
  });
}

/** Who sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win. */
export function resourceOf(
  { defaultResource, detectResources, envDetector, resourceFromAttributes }: typeof import("@opentelemetry/resources"),
  version: string,
) {
  const own = resourceFromAttributes({ "service.name": "querymill", "service.version": version });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}

/** Without an endpoint the exporter looks at the variables of its signal itself. */
function target(endpoint: string | null, signal: string) {
  return { timeoutMillis: EXPORT_MS, ...(endpoint === null ? {} : { url: `${endpoint}/v1/${signal}` }) };
}

/** Hears how each export ends. */
function listen(exporter: object, told: Told): void {
  const hearing = exporter as Exporter;
  const send = hearing.export.bind(exporter);
  hearing.export = (items, done) =>
    send(items, (result) => {
      told(result.code === SUCCESS ? null : (result.error ?? new Error("it was refused")));
      done(result);
    });
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}
