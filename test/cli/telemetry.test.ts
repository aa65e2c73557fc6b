import { describe, expect, it, onTestFinished } from "vitest";
import { startModelServer } from "../support/model-server.ts";
import { startOtlpReceiver } from "../support/otlp-receiver.ts";
import { makeWorkspace, type Workspace } from "../support/workspace.ts";

const TEXT = "my parcel from Liza Okonkwo has not arrived";

async function makeRun(file = ""): Promise<{ space: Workspace; args: string[] }> {
  const server = await startModelServer({
    fail: (id, attempt) => (id === "q1" && attempt === 1 ? "500" : id === "q2" ? "refusal" : null),
  });
  onTestFinished(() => server.close());
  const space = makeWorkspace();
  await space.seed(Array.from({ length: 8 }, (_, at) => ({ _id: `q${at}`, text: `[doc:q${at}] ${TEXT} ${at}` })));
  space.write(
    "querymill.yaml",
    `prices: { drawn-1: { input: 1, output: 4 } }\nretry: { baseDelayMs: 5, maxDelayMs: 20 }\n${file}`,
  );
  const model = ["--model", "openai-compatible/drawn-1", "--base-url", server.baseUrl];
  return { space, args: ["run", "--json", "--store", "store.db", ...model] };
}

describe("sending to a collector", () => {
  it("sends metrics and a trace of each item with its calls, and nothing of a text", async () => {
    const receiver = await startOtlpReceiver();
    const { space, args } = await makeRun(`telemetry: { otlp: "${receiver.url}/", sampleRatio: 1 }`);
    const { code, stdout } = await space.querymill(args, { OTEL_SERVICE_NAME: "inbox" });
    expect(code, stdout).toBe(3);
    expect(receiver.metric("querymill.items")).toBe(8);
    expect(receiver.metric("querymill.calls")).toBe(9);
    expect(receiver.metric("gen_ai.client.operation.duration")).toBe(9);
    expect(receiver.metric("querymill.dead_letters")).toBe(1);
    expect(receiver.resource()).toMatchObject({ "service.name": "inbox", "service.version": expect.any(String) });

    const spans = receiver.spans();
    const items = spans.filter(({ name }) => name === "classify item");
    const calls = spans.filter(({ name }) => name === "chat drawn-1");
    expect([items.length, calls.length]).toEqual([8, 9]);
    for (const call of calls) {
      const item = items.find(({ spanId }) => spanId === call.parentSpanId);
      expect(item?.traceId).toBe(call.traceId);
    }
    const retried = items.find(({ attributes }) => attributes["querymill.item.key"] === '"q1"')!;
    expect(retried.attributes).toMatchObject({ "querymill.outcome": "classified" });
    const [failed, answered] = calls
      .filter(({ parentSpanId }) => parentSpanId === retried.spanId)
      .sort((a, b) => Number(a.attributes["querymill.attempt"]) - Number(b.attributes["querymill.attempt"]));
    expect(failed).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "transient" } });
    expect(answered!.attributes).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai-compatible",
      "gen_ai.request.model": "drawn-1",
      "gen_ai.response.model": "drawn-1",
    });
    expect(Number(answered!.attributes["gen_ai.usage.input_tokens"])).toBeGreaterThan(0);
    const dead = items.find(({ attributes }) => attributes["querymill.item.key"] === '"q2"')!;
    expect(dead).toMatchObject({ status: { code: 2 }, attributes: { "querymill.outcome": "deadLetter" } });
    for (const { text } of receiver.bodies) expect(text).not.toMatch(/Okonkwo|parcel/);
  });

  it("traces the share that is asked for, by the usual variables too", async () => {
    const receiver = await startOtlpReceiver();
    const { space, args } = await makeRun();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_TRACES_SAMPLER_ARG: "0" };
    expect((await space.querymill(args, env)).code).toBe(3);
    expect(receiver.spans()).toEqual([]);
    expect(receiver.metric("querymill.items")).toBe(8);
  });

  it("sends nothing when it is switched off", async () => {
    const receiver = await startOtlpReceiver();
    const { space, args } = await makeRun();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SDK_DISABLED: "true" };
    expect((await space.querymill(args, env)).code).toBe(3);
    expect(receiver.bodies).toEqual([]);
  });

  it("neither ends nor fails a run when nobody is there, and says so once", async () => {
    const { space, args } = await makeRun('telemetry: { otlp: "http://127.0.0.1:1" }');
    const { code, stdout } = await space.querymill(args, { OTEL_METRIC_EXPORT_INTERVAL: "100" });
    expect(code, stdout).toBe(3);
    const notes = stdout.split("\n").filter((line) => line.includes("cannot be sent"));
    expect(notes.length).toBeLessThanOrEqual(1);
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({ event: "execution:end" });
  });

  it("waits for a silent collector some seconds at the end, and not longer", async () => {
    const receiver = await startOtlpReceiver("silent");
    const { space, args } = await makeRun(`telemetry: { otlp: "${receiver.url}", sampleRatio: 1 }`);
    const { code, stdout } = await space.querymill(args);
    expect(code, stdout).toBe(3);
    expect(receiver.bodies.length).toBeGreaterThan(0);
  });
});

describe("--metrics", () => {
  it("listens on this machine only, says where, and is gone with the run", async () => {
    const { space, args } = await makeRun();
    const { child, ended } = space.start([...args, "--mode", "continuous", "--interval", "1", "--metrics", "0"]);
    const url = await new Promise<string>((resolve) => {
      let text = "";
      child.stdout!.on("data", (chunk) => {
        text += chunk;
        const found = /"event":"metrics:listening".*"url":"([^"]+)"/.exec(text)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ status: "ok", reasons: [] });
    const scrape = await fetch(`${url}/metrics`);
    expect(scrape.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await scrape.text()).toContain("querymill_execution_state");
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it.each([
    ["70000", /--metrics: expected a port from 0 to 65535/],
    ["nonsense", /--metrics: expected a port from 0 to 65535/],
    ["0.0.0.0", /--metrics: expected a port from 0 to 65535/],
    ["192.0.2.1:9464", /--metrics 192\.0\.2\.1:9464: this machine does not have that address/],
  ])("refuses %s before anything is spent", async (given, message) => {
    const { space, args } = await makeRun();
    const { code, stderr, stdout } = await space.querymill([...args, "--metrics", given]);
    expect([code, `${stdout}${stderr}`]).toEqual([2, expect.stringMatching(message)]);
  });

  it("refuses a port that another run has, before anything is spent", async () => {
    const { createServer } = await import("node:net");
    const taken = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void taken.close());
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    const { space, args } = await makeRun();
    const { code, stdout, stderr } = await space.querymill([...args, "--metrics", String(port)]);
    expect([code, `${stdout}${stderr}`]).toEqual([2, expect.stringMatching(/the port is taken/)]);
    expect(`${stdout}${stderr}`).not.toContain("execution:start");
  });
});
