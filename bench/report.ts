import type { Bench, Scenario } from "./scenario.ts";
import { type Figure, type Goal, isMet, shown } from "./statistics.ts";

/** @returns the lines that tell a person what a scenario found */
export function reportLines(scenario: Scenario, figures: readonly Figure[], bench: Bench, command: string): string[] {
  const width = Math.max(...figures.map(({ what }) => what.length));
  return [
    `${scenario.name}: ${scenario.what}`,
    ...figures.map((one) => `  ${one.what.padEnd(width)}  ${lineOf(one)}`),
    ...bench.notes.map((note) => `  note: ${note}`),
    `  noise: ${bench.noise.line()}`,
    `  command: ${command}`,
    "",
  ];
}

function lineOf(figure: Figure): string {
  const { value, unit, min, max, rounds, of, goal } = figure;
  const met = isMet(figure);
  const verdict =
    goal === undefined ? "" : `  goal ${goalText(goal)}: ${met === null ? "not measured" : met ? "met" : "NOT met"}`;
  const spread = rounds > 1 ? ` (${shown(min)} to ${shown(max)})` : "";
  return `${shown(value)} ${unit}${of ? ` = ${of}` : ""}${spread}${verdict}`;
}

function goalText({ atLeast, atMost, stretch }: Goal): string {
  const bounds = [atLeast === undefined ? "" : `≥ ${shown(atLeast)}`, atMost === undefined ? "" : `≤ ${shown(atMost)}`];
  return `${bounds.filter(Boolean).join(", ")}${stretch === undefined ? "" : ` (stretch ${shown(stretch)})`}`;
}
