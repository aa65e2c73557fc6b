import { monitorEventLoopDelay } from "node:perf_hooks";
import type { BatchObservableCallback, Meter } from "@opentelemetry/api";
import { freeBytes } from "./health-watch.ts";
import { type MetricDefinition, PROCESS } from "./metric-table.ts";

const LOOP_RESOLUTION_MS = 20;
const PERCENTILES = ["50", "99", "100"] as const;

/**
 * Memory, CPU time, delay of the event loop and disk of this process.
 * @param folder of the local state
 * @returns stops that
 */
export function observeProcess(meter: Meter, folder: string, version: string): () => void {
  const gauge = (one: MetricDefinition) => meter.createObservableGauge(one.name, options(one));
  const memory = gauge(PROCESS.memory);
  const heap = gauge(PROCESS.heap);
  const started = gauge(PROCESS.started);
  const loopDelay = gauge(PROCESS.loopDelay);
  const diskFree = gauge(PROCESS.diskFree);
  const build = gauge(PROCESS.build);
  const cpu = meter.createObservableCounter(PROCESS.cpu.name, options(PROCESS.cpu));
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  const callback: BatchObservableCallback = async (result) => {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    result.observe(memory, rss);
    result.observe(heap, heapUsed);
    result.observe(cpu, (user + system) / 1e6);
    result.observe(started, performance.timeOrigin / 1000);
    result.observe(build, 1, { version, node: process.version });
    for (const percentile of PERCENTILES) {
      // What is measured is the time between two looks.
      const seconds = delay.count === 0 ? 0 : delay.percentile(Number(percentile)) / 1e9 - LOOP_RESOLUTION_MS / 1000;
      result.observe(loopDelay, Math.max(0, seconds), { percentile });
    }
    delay.reset();
    const free = await freeBytes(folder);
    if (free !== null) result.observe(diskFree, free);
  };
  const all = [memory, heap, started, loopDelay, diskFree, build, cpu];
  meter.addBatchObservableCallback(callback, all);
  return () => {
    meter.removeBatchObservableCallback(callback, all);
    delay.disable();
  };
}

const options = ({ help, unit }: MetricDefinition) => ({ description: help, unit });
