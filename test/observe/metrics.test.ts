import { metrics, trace } from "@opentelemetry/api";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { AlwaysOnSampler, InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { expect, it, onTestFinished, vi } from "vitest";
import { BatchProcessor } from "../../src/jobs/batch-processor.ts";
import { attachTelemetry } from "../../src/observe/attach.ts";
import { observeMetrics } from "../../src/observe/metrics.ts";
import { openScraped } from "../../src/observe/prometheus.ts";
import { isTraced } from "../../src/observe/traces.ts";
import { makeJob, textWith } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";
import { readMetrics } from "../support/prometheus-text.ts";
import { schedule, startScheduled } from "../support/schedules.ts";

it("tells what the end of a run tells, by outcome, endpoint and model", async () => {
  const job = await makeJob("the embedded store", {
    fail: (id, attempt) => {
      if (id === "q0003" && attempt === 1) return "500";
      if (id === "q0004") return "malformed";
      return id === "q0005" ? "refusal" : null;
    },
  });
  // The last one is an equal text.
  await job.seed(20, (id) => (id === "q0001" ? null : textWith(id === "q0020" ? "q0019" : id)));
  const scraped = await openScraped();
  const provider = new MeterProvider({ readers: [scraped.reader] });
  onTestFinished(() => provider.shutdown());
  const { execution, ended } = await job.start({ budget: { usd: 1e6, per: "job" } });
  const stop = observeMetrics(execution, provider.getMeter("querymill"));
  const { end } = await ended;
  const { sum, value } = readMetrics(await scraped.text());
  expect(end).toMatchObject({ classified: 17, cacheHits: 1, skipped: 1, deadLetters: 2 });
  expect(sum("querymill_items_total", { outcome: "classified" })).toBe(end.classified);
  expect(sum("querymill_items_total", { decided_by: "cache" })).toBe(end.cacheHits);
  expect(sum("querymill_items_total", { outcome: "deadLetter", reason: "content" })).toBe(1);
  expect(sum("querymill_items_total", { outcome: "skipped", reason: "no text" })).toBe(1);
  expect(sum("querymill_calls_total")).toBe(end.modelCalls);
  expect(sum("querymill_calls_total", { result: "transient" })).toBe(1);
  expect(sum("querymill_repair_calls_total")).toBe(end.repairCalls);
  expect(sum("querymill_tokens_total", { kind: "input" })).toBe(end.inputTokens);
  expect(sum("querymill_tokens_total", { kind: "output" })).toBe(end.outputTokens);
  expect(sum("querymill_cost_usd_total", { endpoint: "main", model: "openai-compatible/drawn-1" })).toBeCloseTo(
    end.costUsd!,
    6,
  );
  expect(sum("querymill_retries_total", { failure: "transient" })).toBe(1);
  expect(sum("gen_ai_client_operation_duration_seconds_count", { endpoint: "main" })).toBe(end.modelCalls);
  expect(sum("gen_ai_client_token_usage_sum", { gen_ai_token_type: "input" })).toBe(end.inputTokens);
  // What needed no slot took no time.
  expect(sum("querymill_item_duration_seconds_count")).toBe(end.read - end.cacheHits - end.skipped);
  expect(value("querymill_dead_letters")).toBe(2);
  expect(value("querymill_store_items_total")).toBe(20);
  expect(value("querymill_budget_spent_usd")).toBeCloseTo(end.costUsd!, 6);
  expect(value("querymill_execution_state", { state: "ended" })).toBe(1);
  expect(sum("querymill_executions_total", { status: "completed_with_failures" })).toBe(1);
  expect(value("querymill_executions_total", { status: "stopped", stop_reason: "disk" })).toBe(0);

  stop();
  const after = readMetrics(await scraped.text());
  expect(after.sum("querymill_items_total")).toBe(20);
  expect(after.value("querymill_execution_state")).toBeUndefined();
});

it("tells when scheduled runs begin, and which times were missed", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const scraped = await openScraped();
  const provider = new MeterProvider({ readers: [scraped.reader] });
  onTestFinished(() => provider.shutdown());
  const settings = { ...job.settings, schedules: [schedule("*/10 * * * *", { name: "often" })] };
  const run = await startScheduled(settings, "2026-11-24T02:01:00Z");
  observeMetrics(run.execution, provider.getMeter("querymill"));
  await vi.waitFor(() => expect(run.said).toContain("waits for 02:10"), PATIENT);
  const next = { schedule: "often" };
  const before = readMetrics(await scraped.text());
  expect(before.value("querymill_schedule_next_timestamp_seconds", next)).toBe(
    Date.parse("2026-11-24T02:10:00Z") / 1e3,
  );
  run.set("2026-11-24T03:05:00Z");
  await vi.waitFor(() => expect(run.said).toContain("waits for 03:10"), PATIENT);
  const { value } = readMetrics(await scraped.text());
  expect(value("querymill_schedule_missed_total", { ...next, reason: "down" })).toBe(5);
  expect(value("querymill_schedule_next_timestamp_seconds", next)).toBe(Date.parse("2026-11-24T03:10:00Z") / 1e3);
});

it("tells how far continuous mode is behind, and what grew", async () => {
  const job = await makeJob("the embedded store");
  const [id] = await job.seed(1);
  const scraped = await openScraped();
  const provider = new MeterProvider({ readers: [scraped.reader] });
  onTestFinished(() => provider.shutdown());
  const growing = { updatedAt: null, quietForMs: 0, again: true, sweepEveryMs: 1 };
  const { execution, ended, seen } = await job.start({ mode: "continuous", intervalSeconds: 0.2, growing });
  observeMetrics(execution, provider.getMeter("querymill"));
  await vi.waitFor(() => expect(execution.snapshot().lag.ms).toBe(0), PATIENT);
  expect(readMetrics(await scraped.text()).value("querymill_lag_seconds")).toBe(0);
  const [[, document]] = [...(await job.documents([id!]))] as [[string, object]];
  await job.store.insert("conversation_set", [{ ...document, _id: id!, text: `${textWith(id!)} And another thing.` }]);
  await vi.waitFor(() => expect(seen["items:grown"].length).toBe(1), PATIENT);
  expect(readMetrics(await scraped.text()).value("querymill_grown_items_total", { found_by: "sweep" })).toBe(1);
  execution.stop("stop-requested");
  await ended;
});

it("traces about the share of the items that is asked for, others in each execution", () => {
  const keys = Array.from({ length: 20_000 }, (_, at) => `"q${at}"`);
  const traced = (executionId: string, share: number) => keys.filter((key) => isTraced(executionId, key, share));
  expect([traced("a", 0).length, traced("a", 1).length]).toEqual([0, keys.length]);
  for (const share of [0.01, 0.3]) {
    const found = traced("a", share);
    expect(Math.abs(found.length / keys.length - share)).toBeLessThan(
      4 * Math.sqrt((share * (1 - share)) / keys.length),
    );
    const again = new Set(traced("b", share));
    expect(found.filter((key) => again.has(key)).length).toBeLessThan(found.length / 2);
  }
});

it("counts with an SDK that the program has registered, over several runs, and builds nothing without one", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(3);
  const { execution, ended } = await job.start();
  (await attachTelemetry(execution))();
  expect(execution.events.wants("call:ended")).toBe(false);
  await ended;

  const scraped = await openScraped();
  const spans = new InMemorySpanExporter();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [scraped.reader] }));
  trace.setGlobalTracerProvider(
    new TracerProvider({
      sampler: new AlwaysOnSampler(),
      spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
    }),
  );
  onTestFinished(() => {
    metrics.disable();
    trace.disable();
  });
  const { settings, server } = job;
  const processor = new BatchProcessor({
    store: job.store,
    baseUrl: server.baseUrl,
    model: "openai-compatible/drawn-1",
    batchDir: settings.batchDir,
    job: "embedded",
    targetCollection: "elsewhere",
  });
  for (const [first, total] of [
    [100, 4],
    [200, 8],
  ] as const) {
    await job.seed(4, textWith, first);
    expect(await processor.run()).toMatchObject({ classified: 4 });
    const { sum } = readMetrics(await scraped.text());
    expect(sum("querymill_items_total", { querymill_job: "embedded", decided_by: "model" })).toBe(total);
    expect(sum("querymill_calls_total")).toBe(total);
  }
  const finished = spans.getFinishedSpans();
  expect(finished.filter(({ name }) => name === "classify item")).toHaveLength(8);
  expect(finished.filter(({ name }) => name === "chat drawn-1")).toHaveLength(8);
});
