import { systemClocks } from "../clocks.ts";
import type { ListenSettings } from "../config/metrics.ts";
import { QuerymillError } from "../errors.ts";
import { attachTelemetry } from "../observe/attach.ts";
import type { Watched } from "../observe/metrics.ts";
import type { Telemetry } from "../observe/telemetry.ts";
import type { Companion, Host } from "./companion.ts";

/**
 * Tells others how the run fares: by the HTTP server of `--metrics`, to a collector by OTLP, and to an SDK that was
 * registered before this program began (`node --import`).
 */
export async function openMetrics(host: Host): Promise<Companion | null> {
  const { execution, settings, service } = host;
  const detach = await attachTelemetry(execution);
  const isOver = (): boolean => execution.snapshot().state === "ended";
  const telemetry = await openOwn({ ...host, folder: settings.batchDir, isOver }, execution);
  try {
    const listen = service.metrics?.listen ?? null;
    const server = listen === null || telemetry?.text == null ? null : await serve(host, listen, telemetry.text);
    if (server !== null)
      execution.events.emit("metrics:listening", { executionId: execution.snapshot().executionId, url: server.url });
    return {
      close: async () => {
        detach();
        await server?.close();
        await telemetry?.close();
      },
    };
  } catch (error) {
    await telemetry?.close();
    throw error;
  }
}

/** Who is told of what cannot be sent. */
export interface TelemetryHost extends Pick<Host, "service" | "logger" | "warn" | "note"> {
  /** Of the local state. */
  readonly folder: string;
  /** The end of a run is the last thing that is said of it. */
  readonly isOver: () => boolean;
}

/** @param watched null: whoever is watched comes later. @returns null when nobody is to be told */
export async function openOwn(
  { service, logger, warn, note, folder, isOver }: TelemetryHost,
  watched: Watched | null,
): Promise<Telemetry | null> {
  const { metrics } = service;
  if (metrics === undefined) return null;
  const { openTelemetry } = await import("../observe/telemetry.ts");
  const { listen, otlp } = metrics;
  const where = otlp?.endpoint ?? "the collector";
  const onTrouble = (trouble: string | null): void => {
    if (trouble === null) {
      logger.info({ collector: where }, "the collector takes metrics and traces again");
      return;
    }
    const logged = { fields: { collector: where }, message: `metrics and traces cannot be sent: ${trouble}` };
    if (isOver()) {
      logger.warn(logged.fields, logged.message);
      return;
    }
    warn(
      logged,
      `Metrics and traces cannot be sent to ${where} (${trouble}). It must take OTLP over HTTP, usually at port 4318. The run goes on without.`,
    );
  };
  const options = { scraped: listen !== null, folder, onTrouble };
  try {
    return await openTelemetry(watched, { ...options, otlp });
  } catch (error) {
    // A variable that is set for all programs of a machine is no demand.
    if (otlp === null || otlp.demanded || !(error instanceof QuerymillError)) throw error;
    const told = await (listen === null ? null : openTelemetry(watched, { ...options, otlp: null }));
    note(`Metrics and traces are not sent, though a variable of OpenTelemetry names a collector: ${error.message}`);
    return told;
  }
}

async function serve({ execution, settings, note }: Host, listen: ListenSettings, text: () => Promise<string>) {
  const { HealthWatch } = await import("../observe/health-watch.ts");
  const health = new HealthWatch(execution, settings.deadlines, settings.batchDir, systemClocks.steadyNow);
  return await serveMetrics(listen, { text, live: () => health.live(), ready: () => health.ready() }, note);
}

/** Answers collectors and probes. */
export async function serveMetrics(
  listen: ListenSettings,
  pages: {
    readonly text: () => Promise<string>;
    readonly live: () => { readonly ok: boolean };
    readonly ready: () => Promise<{ readonly ok: boolean }>;
  },
  note: (text: string) => void,
) {
  const [{ mount, openHttpServer }, { PROMETHEUS_TYPE }] = await Promise.all([
    import("../observe/http-server.ts"),
    import("../observe/prometheus.ts"),
  ]);
  const server = await openHttpServer(listen);
  const { app, url } = server;
  mount(app, "/metrics", async (context) => context.body(await pages.text(), 200, { "content-type": PROMETHEUS_TYPE }));
  mount(app, "/healthz", (context) => {
    const told = pages.live();
    return context.json(told, told.ok ? 200 : 503);
  });
  mount(app, "/readyz", async (context) => {
    const told = await pages.ready();
    return context.json(told, told.ok ? 200 : 503);
  });
  note(`Metrics and health: ${url}/metrics, ${url}/healthz, ${url}/readyz`);
  return server;
}
