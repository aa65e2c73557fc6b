import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** One span as it was sent. */
export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface OtlpReceiver {
  readonly url: string;
  /** Bodies as they came. */
  readonly bodies: readonly { readonly path: string; readonly text: string }[];
  spans(): ReceivedSpan[];
  /** Sum over the last export of a metric; undefined when it was not sent. */
  metric(name: string): number | undefined;
  /** Attributes of the sender. */
  resource(): Readonly<Record<string, unknown>>;
}

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Takes OTLP over HTTP as a collector does, in JSON. @param how `silent`: it never answers */
export async function startOtlpReceiver(how: "takes" | "silent" = "takes"): Promise<OtlpReceiver> {
  const bodies: { path: string; text: string }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    bodies.push({ path: request.url ?? "", text: Buffer.concat(chunks).toString("utf8") });
    if (how === "takes") response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const sent = (path: string) => bodies.filter((one) => one.path === path).map(({ text }) => JSON.parse(text));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    spans: () =>
      sent("/v1/traces")
        .flatMap(({ resourceSpans }) => resourceSpans)
        .flatMap(({ scopeSpans }) => scopeSpans)
        .flatMap(({ spans }) => spans)
        .map((span) => ({ ...span, attributes: plain(span.attributes) })),
    metric: (name) => {
      const all = sent("/v1/metrics")
        .at(-1)
        ?.resourceMetrics[0].scopeMetrics.flatMap(({ metrics }: never) => metrics);
      const found = all?.find((metric: { name: string }) => metric.name === name);
      const points: { asDouble?: number; asInt?: number; count?: number }[] | undefined = (
        found?.sum ??
        found?.gauge ??
        found?.histogram
      )?.dataPoints;
      return points?.reduce((sum, point) => sum + Number(point.asDouble ?? point.asInt ?? point.count), 0);
    },
    resource: () => plain(sent("/v1/metrics").at(-1)?.resourceMetrics[0].resource.attributes ?? []),
  };
}

function plain(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
