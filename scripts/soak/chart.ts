/** One curve over time. */
export interface Curve {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly { readonly name: string; readonly colour: string; readonly points: readonly Point[] }[];
}
export interface Point {
  readonly atMs: number;
  readonly y: number;
}

const WIDTH = 960;
const LEFT = 64;
const PANEL = 150;
const GAP = 46;
const TOP = 34;

/** Curves under each other over the same time, with a mark for each fault. @returns an SVG */
export function chart(curves: readonly Curve[], faults: readonly { atMs: number; name: string }[]): string {
  const times = curves.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(({ atMs }) => atMs)));
  const [fromMs, toMs] = [Math.min(...times), Math.max(...times)];
  const x = (atMs: number): number => LEFT + ((atMs - fromMs) / Math.max(1, toMs - fromMs)) * (WIDTH - LEFT - 16);
  const height = TOP + curves.length * (PANEL + GAP);
  const panels = curves.map((curve, at) => panel(curve, TOP + at * (PANEL + GAP), x, faults, fromMs, toMs));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${panels.join("\n")}
</svg>
`;
}

function panel(
  { title, unit, lines }: Curve,
  top: number,
  x: (atMs: number) => number,
  faults: readonly { atMs: number; name: string }[],
  fromMs: number,
  toMs: number,
): string {
  const highest = Math.max(1e-9, ...lines.flatMap(({ points }) => points.map(({ y }) => y)));
  const bottom = top + PANEL;
  const y = (value: number): number => bottom - (value / highest) * PANEL;
  const marks = faults.map(
    ({ atMs, name }) =>
      `<line x1="${x(atMs).toFixed(1)}" x2="${x(atMs).toFixed(1)}" y1="${top}" y2="${bottom}" stroke="#d9d9e3"><title>${name}</title></line>`,
  );
  const drawn = lines.map(
    ({ colour, points }) =>
      `<polyline fill="none" stroke="${colour}" stroke-width="1.3" points="${points.map((p) => `${x(p.atMs).toFixed(1)},${y(p.y).toFixed(1)}`).join(" ")}"/>`,
  );
  const legend = lines.map(
    ({ name, colour }, at) =>
      `<text x="${WIDTH - 16 - 170 * (lines.length - at - 1)}" y="${top - 8}" text-anchor="end" fill="${colour}">${name}</text>`,
  );
  const scale = [0, highest / 2, highest].map(
    (value) =>
      `<text x="${LEFT - 8}" y="${y(value) + 4}" text-anchor="end" fill="#666">${value.toFixed(highest < 10 ? 1 : 0)}</text><line x1="${LEFT}" x2="${WIDTH - 16}" y1="${y(value)}" y2="${y(value)}" stroke="#eee"/>`,
  );
  const minutes = Math.max(1, Math.round((toMs - fromMs) / 60_000 / 6));
  const clock = Array.from({ length: Math.floor((toMs - fromMs) / 60_000 / minutes) + 1 }, (_, at) => at * minutes).map(
    (minute) =>
      `<text x="${x(fromMs + minute * 60_000).toFixed(1)}" y="${bottom + 15}" text-anchor="middle" fill="#666">${minute} min</text>`,
  );
  return [
    `<text x="${LEFT}" y="${top - 8}" fill="#111" font-weight="600">${title} (${unit})</text>`,
    ...scale,
    ...marks,
    ...drawn,
    ...legend,
    ...clock,
  ].join("\n");
}
