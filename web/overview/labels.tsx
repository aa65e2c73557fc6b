import type { JSX } from "preact";
import { count, percent } from "../format.ts";
import { Label } from "../label.tsx";
import { Card, Empty } from "../parts.tsx";
import { both, only } from "../query.ts";
import { hrefOf, itemsHref } from "../route.ts";
import { isScale, risingLabels, scaleClass } from "../scales.ts";
import { labelsOf, overview, part } from "../state.ts";
import { capital } from "../words.ts";

/** Rows of a dimension without a scale; the others close the sum. */
const MOST_ROWS = 14;

const told = part(() => {
  const value = overview.value;
  const from = value?.run ?? value?.lastEnd ?? null;
  return from === null ? null : { labels: from.labels, executionId: from.executionId };
});

/** What customers say in this execution, by dimension; every count leads to its items. */
export function LabelsCard(): JSX.Element {
  const value = told.value;
  const known = value === null ? [] : Object.entries(value.labels).filter(([, counts]) => sumOf(counts) > 0);
  return (
    <Card
      title="What customers are saying"
      id="labels"
      aside={
        <>
          this execution · <a href={hrefOf("insights")}>Insights</a>
        </>
      }
    >
      {value === null || known.length === 0 ? (
        <Empty title="Nothing is classified yet" />
      ) : (
        <div class="dimensions">
          {known.map(([dimension, counts]) =>
            isScale(dimension) ? (
              <ScaleShares key={dimension} dimension={dimension} counts={counts} execution={value.executionId} />
            ) : (
              <Bars key={dimension} dimension={dimension} counts={counts} execution={value.executionId} />
            ),
          )}
        </div>
      )}
    </Card>
  );
}

interface Shares {
  readonly dimension: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly execution: string;
}

function queryFor({ dimension, execution }: Shares, label: string): string {
  return both(only(dimension, label), only("execution", execution));
}

function Bars(props: Shares): JSX.Element {
  const { dimension, counts } = props;
  const whole = sumOf(counts);
  const rows = Object.entries(counts).toSorted((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  const shown = rows.length > MOST_ROWS ? rows.slice(0, MOST_ROWS - 1) : rows;
  const others = rows.slice(shown.length);
  const most = rows[0]?.[1] ?? 1;
  return (
    <div class={`dimension ${rows.length > 6 ? "long-one" : ""}`}>
      <h3>{capital(dimension)}</h3>
      <ul class="bars">
        {shown.map(([label, items]) => (
          <li key={label}>
            <a href={itemsHref(queryFor(props, label))} title={`${count(items)} items`}>
              {label}
            </a>
            <span class="track" aria-hidden="true">
              <span style={{ width: `${((items / most) * 100).toFixed(1)}%` }} />
            </span>
            <span class="num right">{percent(items, whole)}</span>
          </li>
        ))}
        {others.length > 0 && (
          <li class="dim">
            <span>{count(others.length)} others</span>
            <span />
            <span class="num right">
              {percent(
                others.reduce((sum, [, items]) => sum + items, 0),
                whole,
              )}
            </span>
          </li>
        )}
      </ul>
    </div>
  );
}

function ScaleShares(props: Shares): JSX.Element {
  const { dimension, counts } = props;
  const whole = sumOf(counts);
  const order = labelsOf.value.get(dimension) ?? Object.keys(counts);
  const labels = risingLabels(dimension, order).filter((label) => (counts[label] ?? 0) > 0);
  return (
    <div class="dimension">
      <h3>{capital(dimension)}</h3>
      <div class="stack small" aria-hidden="true">
        {labels.map((label) => (
          <span
            key={label}
            class={scaleClass(dimension, order, label) ?? ""}
            style={{ flexGrow: String(counts[label] ?? 0) }}
          />
        ))}
      </div>
      <ul class="shares">
        {labels.map((label) => (
          <li key={label}>
            <a href={itemsHref(queryFor(props, label))} title={`${count(counts[label] ?? 0)} items`}>
              <Label dimension={dimension} label={label} />
            </a>{" "}
            <b class="num">{percent(counts[label] ?? 0, whole)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, items) => sum + items, 0);
}
