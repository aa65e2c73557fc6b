import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Insights } from "../src/dashboard/api.ts";
import { change, count, day, percent, points } from "./format.ts";
import { Label } from "./label.tsx";
import { Card, Choice, Empty, Failed, Filling, Loading, Scroll, ViewHead } from "./parts.tsx";
import { only } from "./query.ts";
import { useResource } from "./resource.ts";
import { goTo, hrefOf, itemsHref, route } from "./route.ts";
import { risingLabels, scaleClass } from "./scales.ts";
import { labelsOf, now, streams } from "./state.ts";
import { capital, plain } from "./words.ts";

/** Where not all was counted in time, the server goes on when it is asked again. */
const ANEW_MS = 1_000;
/** A page that stays open counts anew so often, ms. */
const LATER_MS = 5 * 60_000;
const PERIODS = [7, 28, 90] as const;
/** Labels of a dimension with a drawing; the others are in the table below. */
const MOST_DRAWN = 6;

type Dimension = Insights["dimensions"][number];
type LabelCounts = Dimension["labels"][number];

/** What customers say, against the period before. */
export function InsightsView(): JSX.Element {
  const days = PERIODS.find((one) => String(one) === route.value.query.get("days")) ?? 28;
  const again = useComputed(() => `${streams.value} ${Math.floor(now.value / LATER_MS)}`);
  const { data, error, loading, reload } = useResource<Insights>(`/insights?days=${days}`, again);
  const isPart = data !== null && !data.complete && !loading;
  useEffect(() => {
    if (!isPart) return;
    const wait = setTimeout(reload, ANEW_MS);
    return () => clearTimeout(wait);
  }, [isPart]);
  return (
    <>
      <ViewHead title="Insights" note={data === null ? undefined : <Period data={data} />}>
        <Choice
          name="days"
          label="Period"
          options={PERIODS.map((value) => ({ value, text: `${value} days` }))}
          value={days}
          onChange={(value) => goTo(hrefOf("insights", null, { days: String(value) }), "replace")}
        />
      </ViewHead>
      {error !== null && (
        <div class="card">
          <Failed what="The insights" why={error} again={reload} />
        </div>
      )}
      {data === null && error === null && <Loading rows={14} what="the insights" />}
      {data !== null && (
        <div aria-busy={loading} class="insights">
          {data.total === 0 ? (
            <div class="card whole-row">
              <Empty title="Nothing was classified in this time">
                Choose a longer period. <Filling>what it classifies is counted here.</Filling>
              </Empty>
            </div>
          ) : (
            <>
              <Sentences data={data} />
              {data.dimensions.map((dimension) => (
                <DimensionCard key={dimension.id} dimension={dimension} data={data} />
              ))}
            </>
          )}
        </div>
      )}
    </>
  );
}

function Period({ data }: { data: Insights }): JSX.Element {
  const { fromMs, toMs, total, totalBefore, complete } = data;
  const changed = change(total, totalBefore);
  return (
    <span class="num">
      {day(fromMs, now.peek())} – {day(toMs, now.peek())} · {count(total)} items
      {changed !== null && ` · ${changed} against the ${data.days} days before`}
      {!complete && " · still counting"}
    </span>
  );
}

function NoSentences({
  complete,
  days,
  totalBefore,
}: Pick<Insights, "complete" | "days" | "totalBefore">): JSX.Element {
  if (!complete) return <Empty title="Still counting">What changed is said when all of it is counted.</Empty>;
  return totalBefore === 0 ? (
    <Empty title="Nothing to compare with">Nothing was classified in the {days} days before.</Empty>
  ) : (
    <Empty title="Nothing changed much">No share moved by more than chance explains.</Empty>
  );
}

function Sentences({ data: { sentences, complete, days, totalBefore } }: { data: Insights }): JSX.Element {
  return (
    <Card title="What changed most" id="sentences" class="whole-row">
      {sentences.length === 0 ? (
        <NoSentences complete={complete} days={days} totalBefore={totalBefore} />
      ) : (
        <ul class="sentences">
          {sentences.map(({ text, query }) => (
            <li key={text}>
              <span>{text.replaceAll(" %", "\u00a0%")}</span> <a href={itemsHref(query)}>Show the items</a>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function DimensionCard({ dimension, data }: { dimension: Dimension; data: Insights }): JSX.Element {
  const { id } = dimension;
  const order = labelsOf.value.get(id) ?? dimension.labels.map((label) => label.id);
  const isOrdered = scaleClass(id, order, order[0] ?? "") !== null;
  const rising = risingLabels(id, order);
  const labels = isOrdered
    ? dimension.labels.toSorted((a, b) => rising.indexOf(a.id) - rising.indexOf(b.id))
    : dimension.labels.toSorted((a, b) => b.count - a.count);
  const drawn = isOrdered ? labels : labels.slice(0, MOST_DRAWN);
  const most = Math.max(1, ...drawn.flatMap((label) => label.counts));
  return (
    <Card
      title={capital(id)}
      id={`insights-${id}`}
      aside="shares now, and in points against before"
      class={`dimension-card ${labels.length > drawn.length ? "long-one" : ""}`}
    >
      <ul class="minis">
        {drawn.map((label, at) => (
          <li key={label.id}>
            <MiniChart label={label} most={most} colour={isOrdered ? "--data-model" : catColour(at)} />
            <p>
              <Label dimension={id} label={label.id} />
            </p>
            <ShareNow label={label} data={data} dimension={id} />
          </li>
        ))}
      </ul>
      <details open={!isOrdered && labels.length > drawn.length}>
        <summary>All in a table</summary>
        <Scroll label={`${plain(id)}, all labels`}>
          <LabelTable labels={labels} data={data} dimension={id} />
        </Scroll>
      </details>
    </Card>
  );
}

function catColour(at: number): string {
  return at < 5 ? `--cat-${at + 1}` : "--color-text-3";
}

function ShareNow({ label, data, dimension }: { label: LabelCounts; data: Insights; dimension: string }): JSX.Element {
  const { total, totalBefore } = data;
  return (
    <p class="mini-values">
      <a class="num" href={itemsHref(only(dimension, label.id))}>
        {count(label.count)}
      </a>
      <b class="num">{percent(label.count, total)}</b>
      <span class="num dim">
        {totalBefore === 0 ? "–" : points(label.count / Math.max(1, total), label.before / totalBefore)}
      </span>
    </p>
  );
}

/** Counts over the period as a line, with the mean of the period before as a dashed one. */
function MiniChart({ label, most, colour }: { label: LabelCounts; most: number; colour: string }): JSX.Element {
  const { counts, before } = label;
  const x = (at: number): string => ((at / Math.max(1, counts.length - 1)) * 100).toFixed(2);
  const y = (items: number): string => (30 - (Math.min(items, most) / most) * 28).toFixed(2);
  const mean = before / Math.max(1, counts.length);
  const line = counts.map((items, at) => `${at === 0 ? "M" : "L"}${x(at)} ${y(items)}`).join("");
  return (
    <svg class="mini" viewBox="0 0 100 32" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <path class="mini-before" d={`M0 ${y(mean)}H100`} />
      <path class="mini-line" d={line} style={{ stroke: `var(${colour})` }} />
    </svg>
  );
}

function LabelTable({
  labels,
  data,
  dimension,
}: {
  labels: readonly LabelCounts[];
  data: Insights;
  dimension: string;
}): JSX.Element {
  const { total, totalBefore } = data;
  return (
    <table class="data">
      <caption class="unseen">{plain(dimension)}: items now and before</caption>
      <thead>
        <tr>
          <th scope="col">{capital(dimension)}</th>
          <th scope="col" class="right">
            Items
          </th>
          <th scope="col" class="right">
            Before
          </th>
          <th scope="col" class="right">
            Share
          </th>
          <th scope="col" class="right">
            Points
          </th>
        </tr>
      </thead>
      <tbody>
        {labels.map((label) => (
          <tr key={label.id}>
            <th scope="row">
              <Label dimension={dimension} label={label.id} />
            </th>
            <td class="num right">
              <a href={itemsHref(only(dimension, label.id))}>{count(label.count)}</a>
            </td>
            <td class="num right">{count(label.before)}</td>
            <td class="num right">{percent(label.count, total)}</td>
            <td class="num right">
              {totalBefore === 0 ? "–" : points(label.count / Math.max(1, total), label.before / totalBefore)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
