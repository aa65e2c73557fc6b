import type { Meter, Tracer } from "@opentelemetry/api";
import { observeMetrics, type Watched } from "./metrics.ts";
import { maySdkBeRegistered } from "./registered-sdk.ts";

const SCOPE = "querymill";

/**
 * Tells an execution's figures to the OpenTelemetry SDK of this program. Where there is none, nothing is loaded and nothing
 * listens. An SDK that throws is no reason to stop.
 * @returns stops that
 */
export async function attachTelemetry(watched: Watched): Promise<() => void> {
  if (!maySdkBeRegistered()) return () => {};
  const { diag } = await import("@opentelemetry/api");
  const stops: (() => void)[] = [];
  const safely = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      diag.warn("Querymill could not tell its figures to this SDK", error);
    }
  };
  const { meter, tracer } = await registered();
  const { observeTraces } = await import("./traces.ts");
  if (meter !== null) safely(() => stops.push(observeMetrics(watched, meter)));
  if (tracer !== null) safely(() => stops.push(observeTraces(watched, tracer)));
  return () => {
    for (const stop of stops) safely(stop);
  };
}

/** @returns null where nothing real is registered */
async function registered(): Promise<{ readonly meter: Meter | null; readonly tracer: Tracer | null }> {
  const { createNoopMeter, metrics, trace } = await import("@opentelemetry/api");
  const meter = metrics.getMeter(SCOPE);
  const provider = trace.getTracerProvider();
  // What stands there before an SDK is registered hands everything on to nobody.
  const isProxy = "getDelegateTracer" in provider && typeof provider.getDelegateTracer === "function";
  const tracer = isProxy
    ? ((provider.getDelegateTracer as (name: string) => Tracer | undefined)(SCOPE) ?? null)
    : provider.getTracer(SCOPE);
  return { meter: meter === createNoopMeter() ? null : meter, tracer };
}
