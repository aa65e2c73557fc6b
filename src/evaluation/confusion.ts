/** One row: what is right, and what was answered. */
export interface Answered {
  /** Names the row for a person. */
  readonly id: string;
  readonly gold: string;
  /** null: no answer, which counts as wrong. */
  readonly answer: string | null;
}

/** How well one label is told from the others. */
export interface LabelScore {
  readonly label: string;
  /** Rows that have this label. */
  readonly support: number;
  /** Rows that were answered with it. */
  readonly answered: number;
  readonly correct: number;
  /** correct / answered; null when it was never answered. */
  readonly precision: number | null;
  /** correct / support; null when no row has it. */
  readonly recall: number | null;
  /** 2 · correct / (support + answered). */
  readonly f1: number;
}

/** Cells of the confusion matrix that are not empty. */
export interface Cell {
  readonly gold: string;
  readonly answer: string | null;
  readonly count: number;
}

/** A mistake that was made more than others. */
export interface ConfusedPair extends Cell {
  /** The first rows of it. */
  readonly ids: readonly string[];
}

const EXAMPLES = 3;

/** Cells in the order of gold and answer, both alphabetical; no answer last. */
export function cellsOf(rows: readonly Answered[]): Cell[] {
  const counts = new Map<string, Map<string | null, number>>();
  for (const { gold, answer } of rows) {
    const of = counts.get(gold) ?? new Map<string | null, number>();
    counts.set(gold, of);
    of.set(answer, (of.get(answer) ?? 0) + 1);
  }
  const cells = [...counts].flatMap(([gold, of]) => [...of].map(([answer, count]) => ({ gold, answer, count })));
  return cells.sort((a, b) => byName(a.gold, b.gold) || byAnswer(a.answer, b.answer));
}

/** @returns one score for each label that a row has or was answered with, alphabetical */
export function labelScores(cells: readonly Cell[]): LabelScore[] {
  const labels = new Set(cells.flatMap(({ gold, answer }) => (answer === null ? [gold] : [gold, answer])));
  const sums = new Map([...labels].map((label) => [label, { support: 0, answered: 0, correct: 0 }]));
  for (const { gold, answer, count } of cells) {
    sums.get(gold)!.support += count;
    if (answer !== null) sums.get(answer)!.answered += count;
    if (answer === gold) sums.get(gold)!.correct += count;
  }
  return [...sums].map(([label, sum]) => labelScore(label, sum)).sort((a, b) => byName(a.label, b.label));
}

export function labelScore(
  label: string,
  { support, answered, correct }: Pick<LabelScore, "support" | "answered" | "correct">,
): LabelScore {
  return {
    label,
    support,
    answered,
    correct,
    precision: answered === 0 ? null : correct / answered,
    recall: support === 0 ? null : correct / support,
    f1: support + answered === 0 ? 0 : (2 * correct) / (support + answered),
  };
}

/** Unweighted mean of F1 over the labels that occur, as right answer or as given one; as scikit-learn's `f1_score(average="macro")`. */
export function macroF1(labels: readonly LabelScore[]): number {
  return labels.reduce((sum, { f1 }) => sum + f1, 0) / labels.length;
}

/**
 * Cohen's kappa (1960): agreement beyond what chance gives when both answer as often as they do. 1 is perfect, 0 is
 * chance. No answer is a label of its own.
 * @returns null when chance alone agrees always: one label only
 */
export function cohensKappa(cells: readonly Cell[]): number | null {
  const [golds, answers] = [new Map<string, number>(), new Map<string | null, number>()];
  let [rows, agreed] = [0, 0];
  for (const { gold, answer, count } of cells) {
    rows += count;
    if (answer === gold) agreed += count;
    golds.set(gold, (golds.get(gold) ?? 0) + count);
    answers.set(answer, (answers.get(answer) ?? 0) + count);
  }
  let byChance = 0;
  for (const [label, count] of golds) byChance += (count / rows) * ((answers.get(label) ?? 0) / rows);
  return byChance > 1 - 1e-12 ? null : (agreed / rows - byChance) / (1 - byChance);
}

/** The mistakes made most often, each with its first rows; missing answers left out. */
export function confusedPairs(rows: readonly Answered[], most: number): ConfusedPair[] {
  const wrong = cellsOf(rows.filter(({ gold, answer }) => answer !== null && answer !== gold));
  const top = wrong.sort((a, b) => b.count - a.count || byName(a.gold, b.gold)).slice(0, most);
  return top.map((cell) => ({
    ...cell,
    ids: rows
      .filter(({ gold, answer }) => gold === cell.gold && answer === cell.answer)
      .slice(0, EXAMPLES)
      .map(({ id }) => id),
  }));
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byAnswer(a: string | null, b: string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return byName(a, b);
}
