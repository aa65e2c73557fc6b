import type { OtlpSettings } from "../config/metrics.ts";
import { packageVersion } from "../package-version.ts";
import { observeMetrics, type Watched } from "./metrics.ts";
import { type OtlpOptions, openOtlp, resourceOf } from "./otlp.ts";
import { loadPeers } from "./peer-package.ts";
import { observeProcess } from "./process-metrics.ts";
import { openScraped, type Scraped } from "./prometheus.ts";
import { observeTraces } from "./traces.ts";

export interface TelemetryOptions {
  /** Whether somebody asks for the figures. */
  readonly scraped: boolean;
  /** Where they are sent; null: nowhere. */
  readonly otlp: OtlpSettings | null;
  /** Of the local state. */
  readonly folder: string;
  readonly onTrouble: OtlpOptions["onTrouble"];
}

/** An SDK of our own, not registered: nobody else's figures are in it. */
export interface Telemetry {
  /** For Prometheus; null when nobody asks. */
  readonly text: Scraped["text"] | null;
  /** Watches another execution too. @returns stops that */
  watch(watched: Watched): () => void;
  /** Sends the last figures; waits for that a few seconds at most. */
  close(): Promise<void>;
}

/**
 * Opens what was chosen, and lets it watch an execution, or none yet.
 * @throws QuerymillError CONFIG_INVALID when packages are not installed
 */
export async function openTelemetry(watched: Watched | null, options: TelemetryOptions): Promise<Telemetry> {
  const { otlp, folder, onTrouble } = options;
  const version = packageVersion();
  const scraped = options.scraped ? await openScraped() : null;
  const sent = otlp === null ? null : await openOtlp({ ...otlp, version, onTrouble });
  const readers = [scraped?.reader, sent?.reader].filter((reader) => reader != null);
  const provider = await openMeters(readers, sent === null ? null : version);
  const meter = provider.getMeter("querymill", version);
  const stops = new Set([observeProcess(meter, folder, version)]);
  const spans = new Set<() => void>();
  const watch: Telemetry["watch"] = (one) => {
    const stop = observeMetrics(one, meter);
    const stopSpans = sent?.tracer == null ? null : observeTraces(one, sent.tracer, otlp?.sampleRatio);
    stops.add(stop);
    if (stopSpans !== null) spans.add(stopSpans);
    return () => {
      stops.delete(stop);
      stop();
      if (stopSpans !== null && spans.delete(stopSpans)) stopSpans();
    };
  };
  if (watched !== null) watch(watched);
  return {
    text: scraped === null ? null : () => scraped.text(),
    watch,
    close: async () => {
      for (const stop of spans) stop();
      spans.clear();
      await sent?.close(() => provider.shutdown());
      for (const stop of stops) stop();
    },
  };
}

/** @param version of us, for what is sent: a scrape knows whom it asked */
async function openMeters(readers: readonly NonNullable<Scraped["reader"]>[], version: string | null) {
  const [sdk] = (await loadPeers("Metrics", ["@opentelemetry/sdk-metrics"])) as [
    typeof import("@opentelemetry/sdk-metrics"),
  ];
  if (version === null) return new sdk.MeterProvider({ readers: [...readers] });
  const [resources] = (await loadPeers("OTLP", ["@opentelemetry/resources"])) as [
    typeof import("@opentelemetry/resources"),
  ];
  return new sdk.MeterProvider({ readers: [...readers], resource: resourceOf(resources, version) });
}
