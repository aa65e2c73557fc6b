import { z } from "zod";
import { decimal, type OptionDefinition, shaped, text } from "./option.ts";

/** `PORT` or `HOST:PORT`; the host may be an IPv6 address in brackets. */
export const LISTEN = /^(?:(\[[0-9a-fA-F:.]+\]|[^\s:[\]/]+):)?(\d{1,5})$/;
const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$/;

const listen: OptionDefinition<string | null> = {
  ...text({
    flag: "--metrics <[host:]port>",
    help: "serve /metrics, /healthz and /readyz there while the run lasts; without a host for this machine only, 0 takes a free port",
    expected: "a port from 0 to 65535, or HOST:PORT such as 0.0.0.0:9464",
    pattern: LISTEN,
    default: null,
  }),
  schema: z.preprocess(
    (value) => (typeof value === "number" ? String(value) : value),
    z.string().refine((value) => Number(LISTEN.exec(value)?.[2] ?? Number.NaN) <= 65_535),
  ),
};

/** Settings of what tells others how a process fares. */
export const METRICS_OPTIONS = {
  "metrics.listen": listen,
  "metrics.hosts": shaped<readonly string[]>({
    help: "public host names under which the metrics are asked for, such as those of a proxy; addresses and names without a dot need none",
    expected: "a list of host names",
    schema: z.array(z.string().regex(HOST_NAME)).max(50),
    default: [],
  }),
  "telemetry.otlp": text({
    help: "collector that metrics and traces are sent to by OTLP over HTTP, as JSON; default: OTEL_EXPORTER_OTLP_ENDPOINT",
    expected: "a URL such as http://collector:4318",
    pattern: /^https?:\/\/[^\s/?#@]+[^\s?#@]*$/,
    default: null,
  }),
  "telemetry.sampleRatio": decimal({
    help: "share of the items that are traced; default: OTEL_TRACES_SAMPLER_ARG, else one of a hundred",
    above: 0,
    max: 1,
    unit: "share",
    default: null,
  }),
} as const;
