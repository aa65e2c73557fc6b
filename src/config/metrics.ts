import { LISTEN } from "./metrics-options.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";

/** Where the small HTTP server listens. */
export interface ListenSettings {
  /** An address or a name of this machine. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Names under which it may be asked, beside its addresses. */
  readonly hosts: readonly string[];
  /** As it was given, for messages. */
  readonly shown: string;
  /** Where the port is taken, a free one will do. @default false */
  readonly elseFree?: boolean;
}

/** Where metrics and traces are sent. */
export interface OtlpSettings {
  /** `http://collector:4318`, without `/v1/…`; null where a variable of OpenTelemetry names one for each signal. */
  readonly endpoint: string | null;
  /** False where only the environment says so: a run then does without what it lacks for it. */
  readonly demanded: boolean;
  readonly metrics: boolean;
  readonly traces: boolean;
  /** Share of the items that are traced, 0..1. */
  readonly sampleRatio: number;
  readonly intervalMs: number;
}

export interface MetricsSettings {
  readonly listen: ListenSettings | null;
  readonly otlp: OtlpSettings | null;
}

const LOOPBACK = "127.0.0.1";
const SIGNAL_ENDPOINTS = ["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] as const;
const USUAL_SAMPLE_RATIO = 0.01;
const USUAL_INTERVAL_MS = 60_000;

/** @returns null when nothing of it is wanted */
export function metricsSettings({ get }: ResolvedOptions, variables: Variables): MetricsSettings | null {
  const given = get("metrics.listen");
  const settings = {
    listen: given === null ? null : listenSettings(String(given), get("metrics.hosts")),
    otlp: otlpSettings(get("telemetry.otlp"), get("telemetry.sampleRatio"), variables),
  };
  return settings.listen === null && settings.otlp === null ? null : settings;
}

function listenSettings(given: string, hosts: readonly string[]): ListenSettings {
  const [, host, port] = LISTEN.exec(given)!;
  return { host: host?.replace(/^\[(.*)\]$/, "$1") ?? LOOPBACK, port: Number(port), hosts, shown: given };
}

function otlpSettings(endpoint: string | null, ratio: number | null, variables: Variables): OtlpSettings | null {
  if (/^true$/i.test(variables("OTEL_SDK_DISABLED") ?? "")) return null;
  const common = endpoint ?? variables("OTEL_EXPORTER_OTLP_ENDPOINT") ?? null;
  const [metricsOnly, tracesOnly] = SIGNAL_ENDPOINTS.map((name) => variables(name) !== undefined);
  const isWanted = (signal: "METRICS" | "TRACES", own: boolean): boolean =>
    (common !== null || own) && variables(`OTEL_${signal}_EXPORTER`) !== "none";
  const metrics = isWanted("METRICS", metricsOnly === true);
  const traces = isWanted("TRACES", tracesOnly === true);
  if (!metrics && !traces) return null;
  return {
    endpoint: common?.replace(/\/+$/, "") ?? null,
    demanded: endpoint !== null,
    metrics,
    traces,
    sampleRatio: ratio ?? share(variables("OTEL_TRACES_SAMPLER_ARG")) ?? USUAL_SAMPLE_RATIO,
    intervalMs: positive(variables("OTEL_METRIC_EXPORT_INTERVAL")) ?? USUAL_INTERVAL_MS,
  };
}

function share(text: string | undefined): number | null {
  const value = Number(text ?? Number.NaN);
  return value >= 0 && value <= 1 ? value : null;
}

function positive(text: string | undefined): number | null {
  const value = Number(text ?? Number.NaN);
  return Number.isInteger(value) && value > 0 ? value : null;
}
