import { effect, signal, untracked, useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Sample } from "../../src/dashboard/api.ts";
import { clock, count, latency, rate } from "../format.ts";
import { flagsOf, type LimitFlag } from "../limit-flags.ts";
import { Card, Empty } from "../parts.tsx";
import { history } from "../state.ts";
import { theme } from "../theme.ts";
import { LIMIT_REASONS } from "../words.ts";
import { drawPlot, type Line, pointAt } from "./plot.ts";

/** Flags on the curve and lines below it. */
const MOST_FLAGS = 8;
/** The point under the pointer; null: the newest. */
const pointed = signal<number | null>(null);

interface Curve {
  readonly id: string;
  readonly title: string;
  readonly height: number;
  readonly lines: readonly (Line & { readonly read: (sample: Sample) => number | null })[];
  readonly write: (value: number) => string;
  /** For the axis; its values are round. */
  readonly tick: (value: number) => string;
}

const CURVES: readonly Curve[] = [
  {
    id: "rate-curve",
    title: "Rate",
    height: 150,
    lines: [
      {
        name: "items/s",
        colour: "--data-model",
        fill: "--color-accent-soft",
        read: ({ itemsPerSecond }) => itemsPerSecond,
      },
    ],
    write: rate,
    tick: (value) => (value % 1 === 0 ? count(value) : String(value)),
  },
  {
    id: "latency-curve",
    title: "Latency of calls",
    height: 110,
    lines: [
      { name: "p50", colour: "--color-text-2", read: ({ p50Ms }) => p50Ms },
      { name: "p95", colour: "--cat-2", read: ({ p95Ms }) => p95Ms },
    ],
    write: latency,
    tick: (ms) => (ms === 0 ? "0" : ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`),
  },
  {
    id: "concurrency-curve",
    title: "Calls in flight, and why the limit changed",
    height: 150,
    lines: [
      { name: "limit", colour: "--data-model", stepped: true, read: ({ limit }) => limit },
      {
        name: "in flight",
        colour: "--data-student",
        fill: "--color-ok-soft",
        read: ({ inFlight }) => inFlight,
      },
    ],
    write: count,
    tick: (value) => (value % 1 === 0 ? count(value) : ""),
  },
];

/** Rate, latency and concurrency over one time, with a numbered flag and a reason for each change of a limit. */
export function RateCard(): JSX.Element {
  const flags = useComputed(() => flagsOf(history.value?.limits ?? [], MOST_FLAGS));
  const isEmpty = useComputed(() => (history.value?.samples.length ?? 0) < 2);
  return (
    <Card title="Rate, latency and concurrency" id="curves" aside={<PointedTime />}>
      {isEmpty.value ? (
        <div class="curves-empty">
          <Empty title="The curves begin in a moment">There is one point a second.</Empty>
        </div>
      ) : (
        CURVES.map((curve) => <CurvePlot key={curve.id} curve={curve} />)
      )}
      {flags.value.length > 0 && (
        <ol class="flags" data-testid="limit-reasons">
          {flags.value.map((flag) => (
            <FlagLine key={flag.number} flag={flag} />
          ))}
        </ol>
      )}
    </Card>
  );
}

function FlagLine({ flag }: { flag: LimitFlag }): JSX.Element {
  const { number, atMs, lastMs, endpoint, from, to, reason, words, changes } = flag;
  return (
    <li class={to < from ? "fell" : ""}>
      <span class="flag" aria-hidden="true">
        {number}
      </span>
      <span class="num">{clock(changes > 1 ? lastMs : atMs).slice(0, 5)}</span>
      <span>
        {endpoint}{" "}
        <span class="num">
          {from} → {to}
        </span>
        : {changes > 1 ? `${LIMIT_REASONS[reason]}, ${changes} times` : words}
      </span>
    </li>
  );
}

function PointedTime(): JSX.Element {
  const at = pointed.value;
  const sample = at === null ? undefined : history.value?.samples[at];
  return <span class="num">{sample === undefined ? "now" : clock(sample.atMs)}</span>;
}

function CurvePlot({ curve }: { curve: Curve }): JSX.Element {
  const box = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = box.current!;
    const spec = { lines: curve.lines, write: curve.tick, numbersFlags: curve.id === "concurrency-curve" };
    const draw = (): void => {
      const { samples = [], limits = [] } = history.value ?? {};
      theme.value;
      drawPlot(canvas, spec, {
        times: samples.map(({ atMs }) => atMs),
        values: curve.lines.map(({ read }) => samples.map(read)),
        flags: flagsOf(limits, MOST_FLAGS),
        pointed: pointed.value,
      });
    };
    const stop = effect(draw);
    const watch = new ResizeObserver(() => untracked(draw));
    watch.observe(canvas);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", draw);
    return () => {
      stop();
      watch.disconnect();
      system.removeEventListener("change", draw);
    };
  }, [curve]);
  return (
    <div class="curve">
      <div class="curve-head">
        <h3>{curve.title}</h3>
        <Values curve={curve} />
      </div>
      <canvas
        class="plot"
        ref={box}
        role="img"
        aria-label={`${curve.title} over time. The present values stand beside its name.`}
        style={{ height: `${curve.height}px` }}
        data-testid={curve.id}
        onPointerMove={({ currentTarget, offsetX }) => {
          const times = (history.peek()?.samples ?? []).map(({ atMs }) => atMs);
          pointed.value = pointAt(currentTarget, times, offsetX);
        }}
        onPointerLeave={() => {
          pointed.value = null;
        }}
      />
    </div>
  );
}

/** The lines' names with their values now, or under the pointer. */
function Values({ curve }: { curve: Curve }): JSX.Element {
  const samples = history.value?.samples ?? [];
  const sample = samples[pointed.value ?? samples.length - 1];
  return (
    <ul class="curve-values">
      {curve.lines.map(({ name, colour, read }) => {
        const value = sample === undefined ? null : read(sample);
        return (
          <li key={name}>
            <span class="line-mark" style={{ background: `var(${colour})` }} aria-hidden="true" />
            {name} <b class="num">{value === null ? "–" : curve.write(value)}</b>
          </li>
        );
      })}
    </ul>
  );
}
