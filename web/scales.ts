/** Which of the fixed colours a label has: a class for a swatch, or null where it has none. */
export function scaleClass(dimension: string, labels: readonly string[], label: string): string | null {
  const at = labels.indexOf(label);
  if (at < 0 || labels.length < 2) return null;
  if (dimension === "sentiment") return `div-${step(at, labels.length, 5)}`;
  if (dimension !== "urgency") return null;
  const rank = isFallingUrgency(labels) ? labels.length - 1 - at : at;
  return `ord-${step(rank, labels.length, 4)}`;
}

/** Labels of a dimension from least to most, where its name tells that it has an order. */
export function risingLabels(dimension: string, labels: readonly string[]): readonly string[] {
  if (dimension === "urgency" && isFallingUrgency(labels)) return labels.toReversed();
  if (dimension === "sentiment" && /pos/i.test(labels[0] ?? "")) return labels.toReversed();
  return labels;
}

/** Whether the labels of a dimension are steps of one scale. */
export function isScale(dimension: string): boolean {
  return dimension === "sentiment" || dimension === "urgency";
}

function isFallingUrgency(labels: readonly string[]): boolean {
  return /critical|urgent|high|p0|p1/i.test(labels[0] ?? "");
}

function step(at: number, of: number, steps: number): number {
  return Math.round((at / (of - 1)) * (steps - 1)) + 1;
}
