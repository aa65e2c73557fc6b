import { expect, it } from "vitest";
import { loadSettings } from "../../src/config/load.ts";
import { loadPeers } from "../../src/observe/peer-package.ts";

const load = (flags: Record<string, unknown>, env: Record<string, string> = {}, config?: Record<string, unknown>) =>
  loadSettings({
    flags: { model: "offline", ...flags },
    env,
    cwd: "/",
    files: false,
    ...(config === undefined ? {} : { config }),
  }).then(({ service }) => service.metrics);

it("has nothing beside a run that does not ask for it", async () => {
  expect(await load({})).toBeUndefined();
});

it.each([
  ["9464", "127.0.0.1", 9464],
  ["0", "127.0.0.1", 0],
  ["0.0.0.0:9464", "0.0.0.0", 9464],
  ["[::1]:80", "::1", 80],
  ["metrics.internal:1", "metrics.internal", 1],
])("--metrics %s listens at %s, port %d", async (metrics, host, port) => {
  expect((await load({ metrics }))?.listen).toEqual({ host, port, hosts: [], shown: metrics });
});

it("takes a port as a number from a file, and names of hosts", async () => {
  const metrics = { listen: 9464, hosts: ["metrics.example"] };
  expect((await load({}, {}, { metrics }))?.listen).toMatchObject({ port: 9464, hosts: ["metrics.example"] });
  await expect(load({}, {}, { metrics: { listen: 70_000 } })).rejects.toThrow(/metrics.listen.*a port from 0 to 65535/);
  await expect(load({}, {}, { metrics: { hosts: ["http://x"] } })).rejects.toThrow(
    /metrics.hosts.*a list of host names/,
  );
});

it("takes what the variables of OpenTelemetry say, and a file before them", async () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" };
  const usual = {
    endpoint: "http://collector:4318",
    metrics: true,
    traces: true,
    sampleRatio: 0.01,
    intervalMs: 60_000,
  };
  expect((await load({}, endpoint))?.otlp).toEqual({ ...usual, demanded: false });
  const more = { ...endpoint, OTEL_TRACES_EXPORTER: "none", OTEL_METRIC_EXPORT_INTERVAL: "5000" };
  expect((await load({}, more))?.otlp).toMatchObject({ traces: false, intervalMs: 5_000 });
  expect((await load({}, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t/v1/traces" }))?.otlp).toMatchObject({
    ...{ endpoint: null, metrics: false, traces: true },
  });
  expect(await load({}, { ...endpoint, OTEL_SDK_DISABLED: "TRUE" })).toBeUndefined();
  const telemetry = { otlp: "https://other/otlp", sampleRatio: 0.5 };
  expect((await load({}, endpoint, { telemetry }))?.otlp).toMatchObject({
    ...{ endpoint: "https://other/otlp", sampleRatio: 0.5, demanded: true },
  });
  for (const otlp of ["collector:4318", "http://me:secret@collector:4318"])
    await expect(load({}, {}, { telemetry: { otlp } })).rejects.toThrow(/telemetry.otlp: expected a URL such as/);
});

it("says which packages are missing, and how to install what is needed", async () => {
  await expect(loadPeers("--metrics", ["pino", "no-such-package-a"])).rejects.toThrow(
    "--metrics needs the package no-such-package-a, not installed here. Install what it needs where you start Querymill:  npm i pino no-such-package-a",
  );
  await expect(loadPeers("--metrics", ["no-such-package-a", "no-such-package-b"])).rejects.toThrow(
    "needs the packages no-such-package-a and no-such-package-b, not installed here",
  );
});
