import { clock, clockMinute } from "../format.ts";
import type { LimitFlag } from "../limit-flags.ts";
import { nearest, timeTicks, valueTicks } from "../ticks.ts";

/** A line of a plot; its colours are names of tokens. */
export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly fill?: string;
  /** Holds each value until the next one. */
  readonly stepped?: boolean;
}

/** What is drawn: points in time (epoch ms, ascending), and for each line its values at them. */
export interface Picture {
  readonly times: readonly number[];
  readonly values: readonly (readonly (number | null)[])[];
  readonly flags: readonly LimitFlag[];
  /** The point that is pointed at; null for none. */
  readonly pointed: number | null;
}

export interface PlotSpec {
  readonly lines: readonly Line[];
  readonly write: (value: number) => string;
  /** The flags' numbers stand above this plot; their lines are in all. */
  readonly numbersFlags: boolean;
}

/** Left for the values, right, above the drawing, and below for the times, px. */
const EDGE = { left: 50, right: 12, bottom: 20 } as const;
const PER_TIME = 78;
/** From number to number where flags are close together, px. */
const FLAG = 18;
const PER_VALUE = 36;
type Point = readonly [x: number, y: number];

/** Draws into a canvas as wide as its box, as sharp as the screen. */
export function drawPlot(canvas: HTMLCanvasElement, { lines, write, numbersFlags }: PlotSpec, picture: Picture): void {
  const pen = canvas.getContext("2d");
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (pen === null || width === 0 || picture.times.length < 2) return;
  const sharp = devicePixelRatio;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  pen.scale(sharp, sharp);
  const colour = coloursOf(canvas);
  const { times, values, flags, pointed } = picture;
  const top = numbersFlags && flags.length > 0 ? 24 : 8;
  const most = values.flat().reduce<number>((max, value) => Math.max(max, value ?? 0), 0);
  const ticks = valueTicks(Math.max(most, 1), Math.max(2, Math.floor((height - top - EDGE.bottom) / PER_VALUE)));
  const end = ticks.at(-1)!;
  const [from, to] = [times[0]!, times.at(-1)!];
  const right = width - EDGE.right;
  const bottom = height - EDGE.bottom;
  const x = (ms: number): number => EDGE.left + ((ms - from) / Math.max(1, to - from)) * (right - EDGE.left);
  const y = (value: number): number => bottom - (value / end) * (bottom - top);

  pen.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  pen.textBaseline = "middle";
  pen.lineWidth = 1;
  pen.strokeStyle = colour("--color-border");
  pen.fillStyle = colour("--color-text-3");
  pen.textAlign = "right";
  for (const tick of ticks) {
    segment(pen, [EDGE.left, crisp(y(tick))], [right, crisp(y(tick))]);
    pen.fillText(write(tick), EDGE.left - 8, y(tick));
  }
  pen.textAlign = "center";
  const moments = timeTicks(from, to, Math.max(2, Math.floor((right - EDGE.left) / PER_TIME)));
  const isFine = moments.length > 1 && moments[1]! - moments[0]! < 60_000;
  for (const ms of moments) {
    const half = isFine ? 26 : 16;
    if (x(ms) + half <= width && x(ms) - half >= 0) pen.fillText((isFine ? clock : clockMinute)(ms), x(ms), height - 7);
  }
  lines.forEach((line, at) => {
    for (const points of runsOf(times, values[at] ?? [], x, y)) stroke(pen, points, line, bottom, colour);
  });
  let last = 0;
  for (const flag of flags) {
    if (flag.atMs < from) continue;
    last = Math.max(x(flag.atMs), last + FLAG);
    drawFlag(pen, flag, x(flag.atMs), last, top, bottom, numbersFlags, colour);
  }
  const pointedMs = pointed === null ? undefined : times[pointed];
  if (pointedMs !== undefined) {
    pen.strokeStyle = colour("--color-text-3");
    segment(pen, [crisp(x(pointedMs)), top], [crisp(x(pointedMs)), bottom]);
  }
}

/** Which point is nearest to a place over the canvas, px from its left edge; null left of the drawing. */
export function pointAt(canvas: HTMLCanvasElement, times: readonly number[], left: number): number | null {
  const [from, to] = [times[0], times.at(-1)];
  if (from === undefined || to === undefined || left < EDGE.left - 8) return null;
  const share = (left - EDGE.left) / Math.max(1, canvas.clientWidth - EDGE.left - EDGE.right);
  return nearest(times, from + Math.min(1, Math.max(0, share)) * (to - from));
}

/** Unbroken pieces of a line. */
function runsOf(
  times: readonly number[],
  values: readonly (number | null)[],
  x: (ms: number) => number,
  y: (value: number) => number,
): Point[][] {
  const runs: Point[][] = [];
  let open: Point[] | null = null;
  values.forEach((value, at) => {
    if (value === null) open = null;
    else {
      if (open === null) {
        open = [];
        runs.push(open);
      }
      open.push([x(times[at]!), y(value)]);
    }
  });
  return runs;
}

function stroke(
  pen: CanvasRenderingContext2D,
  points: readonly Point[],
  { colour: token, fill, stepped = false }: Line,
  bottom: number,
  colour: (token: string) => string,
): void {
  const path = new Path2D();
  points.forEach(([x, y], at) => {
    if (at === 0) path.moveTo(x, y);
    else {
      if (stepped) path.lineTo(x, points[at - 1]![1]);
      path.lineTo(x, y);
    }
  });
  if (fill !== undefined) {
    const area = new Path2D(path);
    area.lineTo(points.at(-1)![0], bottom);
    area.lineTo(points[0]![0], bottom);
    pen.fillStyle = colour(fill);
    pen.fill(area);
  }
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.strokeStyle = colour(token);
  pen.stroke(path);
  pen.lineWidth = 1;
}

function drawFlag(
  pen: CanvasRenderingContext2D,
  { number, from, to }: LimitFlag,
  x: number,
  numberX: number,
  top: number,
  bottom: number,
  isNumbered: boolean,
  colour: (token: string) => string,
): void {
  pen.strokeStyle = colour(to < from ? "--color-warn" : "--color-text-3");
  pen.setLineDash([2, 3]);
  segment(pen, [crisp(x), top], [crisp(x), bottom]);
  pen.setLineDash([]);
  if (!isNumbered) return;
  pen.beginPath();
  pen.arc(crisp(numberX), top - 12, 8, 0, 2 * Math.PI);
  pen.fillStyle = colour("--color-surface");
  pen.fill();
  pen.stroke();
  pen.fillStyle = pen.strokeStyle;
  pen.fillText(String(number), crisp(numberX), top - 11.5);
}

function segment(pen: CanvasRenderingContext2D, from: Point, to: Point): void {
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

function crisp(px: number): number {
  return Math.round(px) + 0.5;
}

/** Reads tokens as colours that a canvas understands: they depend on the theme. */
function coloursOf(canvas: HTMLCanvasElement): (token: string) => string {
  const known = new Map<string, string>();
  return (token) => {
    const before = known.get(token);
    if (before !== undefined) return before;
    canvas.style.color = `var(${token})`;
    const { color } = getComputedStyle(canvas);
    canvas.style.color = "";
    known.set(token, color);
    return color;
  };
}
