import type { Comparison, DimensionComparison } from "../evaluation/compare.ts";
import { flow, share } from "./evaluate-view.ts";
import { count, type Look, latency, left, money, printable, right, symbols } from "./format.ts";

const SHOWN_LABELS = 8;
const SHOWN_ROWS = 6;

/** A comparison as lines of a terminal. */
export function renderComparison({ first, second, dimensions }: Comparison, look: Look): string[] {
  const { dash } = symbols(look.ascii);
  const width = Math.max(first.model.length, second.model.length);
  const contender = (name: string, { model, promptVersion, taxonomyVersion, cost }: Comparison["first"]): string =>
    `  ${name}  ${left(printable(model), width)}   prompt ${promptVersion}   taxonomy ${taxonomyVersion}   ${money(cost.usdPerThousand)} per 1,000   ${latency(cost.latencyP50Ms, dash)}`;
  return [
    look.style("bold", "Compared on the same rows"),
    contender("A", first),
    contender("B", second),
    ...dimensions.flatMap((dimension) => ["", ...dimensionLines(dimension, look)]),
  ];
}

/** 0.0004 as `0.0004`, anything below as `< 0.0001`. */
function pValueWords(value: number): string {
  return value < 0.0001 ? "< 0.0001" : `= ${value.toPrecision(2)}`;
}

/** What the test says, in words. */
function verdict({ test, rows }: DimensionComparison): string {
  const { onlyFirst, onlySecond, pValue } = test;
  if (onlyFirst + onlySecond === 0) return "they are right and wrong on the same rows";
  if (pValue >= 0.05) return `no difference is shown: ${rows} rows are too few to tell them apart`;
  return onlySecond > onlyFirst ? "B is better" : "A is better";
}

function dimensionLines(compared: DimensionComparison, look: Look): string[] {
  const { dimension, rows, first, second, test, labels, differing } = compared;
  const { dash } = symbols(look.ascii);
  const { difference } = test;
  const points = (value: number): string => `${value > 0 ? "+" : ""}${(value * 100).toFixed(1)}`;
  const lines = [
    ...flow(
      [
        `${look.style("bold", left(dimension, 12))} A ${share(first.value, look)}`,
        `B ${share(second.value, look)}`,
        `B less A ${look.style("bold", points(difference.value))} points (95 %: ${points(difference.low)} to ${points(difference.high)})`,
        `${count(rows)} rows`,
      ],
      look,
      "",
    ),
    ...flow(
      [
        `only A right ${count(test.onlyFirst)}`,
        `only B right ${count(test.onlySecond)}`,
        `McNemar p ${pValueWords(test.pValue)}: ${verdict(compared)}`,
      ],
      look,
    ),
  ];
  const moved = labels.filter((label) => label.first !== label.second).slice(0, SHOWN_LABELS);
  if (moved.length > 0) {
    const width = Math.max(...moved.map(({ label }) => printable(label).length));
    lines.push(
      "",
      look.style("dim", `    ${left("", width)} ${right("rows", 7)} ${right("F1 of A", 9)} ${right("F1 of B", 9)}`),
    );
    for (const { label, support, first: a, second: b } of moved)
      lines.push(
        `    ${left(printable(label), width)} ${right(count(support), 7)} ${right(share(a, look), 9)} ${right(share(b, look), 9)}`,
      );
  }
  if (differing.length > 0) lines.push("", `  ${count(differing.length)} rows are answered differently:`);
  for (const { id, gold, first: a, second: b, right: who } of differing.slice(0, SHOWN_ROWS)) {
    const names = [gold, a, b].map((labels) => printable(labels === null ? dash : [labels].flat().join("; ") || dash));
    const winner = who === "neither" ? "neither" : who === "first" ? "A" : "B";
    lines.push(`    ${printable(id)}: right ${names[0]}, A ${names[1]}, B ${names[2]}   ${look.style("dim", winner)}`);
  }
  if (differing.length > SHOWN_ROWS)
    lines.push(
      look.style(
        "dim",
        `    and ${count(differing.length - SHOWN_ROWS)} more: --report FILE.html, --json or --output FILE.json has them`,
      ),
    );
  return lines;
}
