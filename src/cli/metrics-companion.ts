import { systemClocks } from "../clocks.ts";
import type { ListenSettings } from "../config/metrics.ts";
import { QuerymillError } from "../errors.ts";
import { attachTelemetry } from "../observe/attach.ts";
import type { Telemetry } from "../observe/telemetry.ts";
import type { Companion, Host } from "./companion.ts";

/**
 * Tells others how the run fares: by the HTTP server of `--metrics`, to a collector by OTLP, and to an SDK that was
 * registered before this program began (`node --import`).
 */
export async function openMetrics(host: Host): Promise<Companion | null> {
  const detach = await attachTelemetry(host.execution);
  const telemetry = await openOwn(host);
  try {
    const listen = host.service.metrics?.listen ?? null;
    const server = listen === null || telemetry?.text == null ? null : await serve(host, listen, telemetry.text);
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

async function openOwn({ execution, settings, service, logger, warn, note }: Host): Promise<Telemetry | null> {
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
    // The end of a run is the last thing that is said of it.
    if (execution.snapshot().state === "ended") {
      logger.warn(logged.fields, logged.message);
      return;
    }
    warn(
      logged,
      `Metrics and traces cannot be sent to ${where} (${trouble}). It must take OTLP over HTTP, usually at port 4318. The run goes on without.`,
    );
  };
  const options = { scraped: listen !== null, folder: settings.batchDir, onTrouble };
  try {
    return await openTelemetry(execution, { ...options, otlp });
  } catch (error) {
    // A variable that is set for all programs of a machine is no demand.
    if (otlp === null || otlp.demanded || !(error instanceof QuerymillError)) throw error;
    const told = await (listen === null ? null : openTelemetry(execution, { ...options, otlp: null }));
    note(`Metrics and traces are not sent, though a variable of OpenTelemetry names a collector: ${error.message}`);
    return told;
  }
}

async function serve({ execution, settings, note }: Host, listen: ListenSettings, text: () => Promise<string>) {
  const [{ mount, openHttpServer }, { HealthWatch }, { PROMETHEUS_TYPE }] = await Promise.all([
    import("../observe/http-server.ts"),
    import("../observe/health-watch.ts"),
    import("../observe/prometheus.ts"),
  ]);
  const health = new HealthWatch(execution, settings.deadlines, settings.batchDir, systemClocks.steadyNow);
  const server = await openHttpServer(listen);
  const { app, url } = server;
  mount(app, "/metrics", async (context) => context.body(await text(), 200, { "content-type": PROMETHEUS_TYPE }));
  mount(app, "/healthz", (context) => {
    const told = health.live();
    return context.json(told, told.ok ? 200 : 503);
  });
  mount(app, "/readyz", async (context) => {
    const told = await health.ready();
    return context.json(told, told.ok ? 200 : 503);
  });
  note(`Metrics and health: ${url}/metrics, ${url}/healthz, ${url}/readyz`);
  execution.events.emit("metrics:listening", { executionId: execution.snapshot().executionId, url });
  return server;
}
