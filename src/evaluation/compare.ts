import { QuerymillError } from "../errors.ts";
import { type Evaluation, type RowAnswers, rowsOf } from "./evaluation.ts";
import { type Interval, type McNemar, mcNemar } from "./intervals.ts";
import { type GoldRow, isRight, scoreDimension } from "./score.ts";

/** Two models, or two prompts, on the same rows. */
export interface Comparison {
  readonly first: Contender;
  readonly second: Contender;
  readonly dimensions: readonly DimensionComparison[];
}
interface Contender extends Pick<Evaluation, "model" | "promptVersion" | "taxonomyVersion" | "cost"> {}

export interface DimensionComparison {
  readonly dimension: string;
  /** Rows that both have an outcome for. */
  readonly rows: number;
  /** Accuracy on those rows. */
  readonly first: Interval;
  readonly second: Interval;
  readonly test: McNemar;
  /** By the size of the difference in F1, largest first. */
  readonly labels: readonly {
    readonly label: string;
    readonly support: number;
    readonly first: number;
    readonly second: number;
  }[];
  /** Rows that were answered differently, those that one of the two got right first. */
  readonly differing: readonly Differing[];
}

export interface Differing {
  readonly id: string;
  readonly gold: GoldRow["gold"];
  readonly first: GoldRow["answer"];
  readonly second: GoldRow["answer"];
  readonly right: "first" | "second" | "neither";
}

/**
 * Compares on the rows that both have.
 * @throws QuerymillError USAGE when they are not of the same data, or share no row
 */
export function compareEvaluations(first: Evaluation, second: Evaluation): Comparison {
  if (first.dataVersion !== second.dataVersion)
    throw new QuerymillError(
      "USAGE",
      `These are evaluations of different data (${first.data} and ${second.data}, or a file that was changed between them): they cannot be compared row by row. Evaluate both on the same file with the same --id-column and --label-column.`,
    );
  const shared = first.scores.map((score) => score.dimension).filter((id) => second.scores.some(isOf(id)));
  const dimensions = shared.flatMap((dimension) => compareDimension(dimension, first, second) ?? []);
  if (dimensions.length === 0)
    throw new QuerymillError("USAGE", "No row was answered by both yet: there is nothing to compare.");
  return { first: contender(first), second: contender(second), dimensions };
}

function compareDimension(dimension: string, first: Evaluation, second: Evaluation): DimensionComparison | null {
  const seconds = byId(second.answers, dimension);
  const pairs = rowsOf(first.answers, dimension).flatMap((one) => {
    const two = seconds.get(one.id);
    return two === undefined ? [] : { one, two };
  });
  if (pairs.length === 0) return null;
  const marked = pairs.map((pair) => ({ ...pair, firstRight: isRight(pair.one), secondRight: isRight(pair.two) }));
  const onlyFirst = marked.filter(({ firstRight, secondRight }) => firstRight && !secondRight).length;
  const onlySecond = marked.filter(({ firstRight, secondRight }) => !firstRight && secondRight).length;
  const { choose } = first.scores.find(isOf(dimension))!;
  const [a, b] = [pairs.map(({ one }) => one), pairs.map(({ two }) => two)].map(
    (rows) => scoreDimension(dimension, choose, rows)!,
  ) as [NonNullable<ReturnType<typeof scoreDimension>>, NonNullable<ReturnType<typeof scoreDimension>>];
  const names = new Set([...a.labels, ...b.labels].map(({ label }) => label));
  const f1 = (labels: typeof a.labels, name: string): number => labels.find(({ label }) => label === name)?.f1 ?? 0;
  const labels = [...names].map((label) => ({
    label,
    support: a.labels.find((one) => one.label === label)?.support ?? 0,
    first: f1(a.labels, label),
    second: f1(b.labels, label),
  }));
  labels.sort((x, y) => Math.abs(y.second - y.first) - Math.abs(x.second - x.first) || (x.label < y.label ? -1 : 1));
  const differing = marked
    .filter(({ one, two }) => !isRight({ gold: one.answer ?? [], answer: two.answer ?? [] }))
    .map(({ one, two, firstRight, secondRight }) => ({
      id: one.id,
      gold: one.gold,
      first: one.answer,
      second: two.answer,
      right: firstRight ? ("first" as const) : secondRight ? ("second" as const) : ("neither" as const),
    }));
  const order = { first: 0, second: 1, neither: 2 };
  differing.sort((x, y) => order[x.right] - order[y.right]);
  return {
    dimension,
    rows: pairs.length,
    first: a.accuracy,
    second: b.accuracy,
    test: mcNemar(onlyFirst, onlySecond, pairs.length),
    labels,
    differing,
  };
}

function byId(answers: readonly RowAnswers[], dimension: string): Map<string, GoldRow> {
  return new Map(rowsOf(answers, dimension).map((row) => [row.id, row]));
}

function isOf(dimension: string) {
  return (score: { readonly dimension: string }): boolean => score.dimension === dimension;
}

function contender({ model, promptVersion, taxonomyVersion, cost }: Evaluation): Contender {
  return { model, promptVersion, taxonomyVersion, cost };
}
