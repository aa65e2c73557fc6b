import type { JSX } from "preact";
import type { Overview } from "../../src/dashboard/api.ts";
import { clock, count, percent } from "../format.ts";
import { Card, Pill } from "../parts.tsx";
import { both, only } from "../query.ts";
import { itemsHref } from "../route.ts";
import { overview, part } from "../state.ts";
import { capital, DECIDERS } from "../words.ts";

/** A piece of the bar, with the query that leads to its items; null: they cannot be listed. */
interface Piece {
  readonly id: string;
  readonly name: string;
  readonly items: number;
  readonly query: string | null;
}

const told = part(() => {
  const value = overview.value;
  if (value === null) return null;
  return {
    sum: value.sum,
    pieces: piecesOf(value),
    ...sidesOf(value),
    pending: value.run?.counters.pending ?? 0,
    ...reasonsOf(value),
  };
});

function reasonsOf({ run, lastEnd }: Overview) {
  const { skippedReasons = {}, deadLetterReasons = {} } = run ?? lastEnd ?? {};
  return { skippedReasons, deadLetterReasons };
}

function sidesOf({ run, lastEnd }: Overview) {
  const { counters, executionId } = run ?? { counters: lastEnd, executionId: lastEnd?.executionId ?? null };
  if (counters === null || executionId === null) return { counters: null, executionId: null, rest: 0 };
  const { read, classified, skipped, retryQueued, deadLetters, inFlight } = counters;
  const rest = run?.total == null ? 0 : Math.max(0, run.total - read);
  return { counters: { read, classified, skipped, retryQueued, deadLetters, inFlight }, executionId, rest };
}

function piecesOf(value: Overview): Piece[] {
  const { counters, executionId, rest } = sidesOf(value);
  if (counters === null) return [];
  const here = only("execution", executionId);
  const known = DECIDERS.map((by) => ({
    id: by,
    name: capital(by),
    items: value.decidedBy[by] ?? 0,
    query: both(only("outcome", "classified"), only("decidedBy", by), here),
  })).filter(({ items }) => items > 0);
  const decided = known.reduce((sum, { items }) => sum + items, 0);
  const unknown = counters.classified - decided;
  return [
    ...known,
    ...(unknown > 0
      ? [{ id: "classified", name: "Classified", items: unknown, query: both(only("outcome", "classified"), here) }]
      : []),
    { id: "skipped", name: "Skipped", items: counters.skipped, query: only("outcome", "skipped") },
    { id: "retry", name: "Retry queued", items: counters.retryQueued, query: only("outcome", "retryQueued") },
    { id: "dead", name: "Dead letters", items: counters.deadLetters, query: both(only("outcome", "deadLetter"), here) },
    { id: "inflight", name: "In flight", items: counters.inFlight, query: null },
    ...(rest > 0 ? [{ id: "rest", name: "Not read yet", items: rest, query: only("outcome", "pending") }] : []),
  ];
}

/** Where every item is: the sum, its check, and the bar; each part leads to its items. */
export function SumCard(): JSX.Element | null {
  const value = told.value;
  if (value === null || value.counters === null) return null;
  const { counters, sum, pieces, executionId, pending } = value;
  const here = only("execution", executionId);
  const terms = [
    ["classified", counters.classified, both(only("outcome", "classified"), here)],
    ["skipped", counters.skipped, only("outcome", "skipped")],
    ["retry queued", counters.retryQueued, only("outcome", "retryQueued")],
    ["dead letters", counters.deadLetters, both(only("outcome", "deadLetter"), here)],
    ["in flight", counters.inFlight, null],
  ] as const;
  return (
    <Card title="Where every item is" id="sum" aside={<Check sum={sum} />}>
      <p class="equation" data-testid="equation">
        <span>
          read <b class="num">{count(counters.read)}</b>
        </span>
        {terms.map(([name, items, query], at) => (
          <span key={name}>
            <i>{at === 0 ? "=" : "+"}</i> {name}{" "}
            {query === null || items === 0 ? (
              <b class="num">{count(items)}</b>
            ) : (
              <a class="num" href={itemsHref(query)}>
                {count(items)}
              </a>
            )}
          </span>
        ))}
      </p>
      <CompletenessBar pieces={pieces} />
      <ul class="legend">
        {pieces.map((piece) => (
          <li key={piece.id}>
            <span class={`swatch data-${piece.id}`} aria-hidden="true" />
            <PieceName piece={piece} />
          </li>
        ))}
      </ul>
      <p class="card-note">
        {classifiedWords(pieces)}{" "}
        {pending > 0
          ? `${count(pending)} are pending besides: read ahead, they go back untouched when the run ends.`
          : "Nothing is pending besides."}
        {reasonWords("Skipped", value.skippedReasons)}
        {reasonWords("Dead letters", value.deadLetterReasons)}
      </p>
    </Card>
  );
}

/** Which pieces make up what is classified. */
function classifiedWords(pieces: readonly Piece[]): string {
  const names = pieces
    .filter(({ id }) => id === "classified" || DECIDERS.some((by) => by === id))
    .map(({ name }) => name);
  if (names.length === 0) return "Nothing is classified yet.";
  if (pieces.some(({ id }) => id === "classified") && names.length === 1) return "";
  return names.length === 1
    ? `Classified is ${names[0]}.`
    : `Classified is ${names.slice(0, -1).join(", ")} and ${names.at(-1)} together.`;
}

/** ` Skipped: 1,203 no-text, 643 automatic.` */
function reasonWords(name: string, reasons: Readonly<Record<string, number>>): string {
  const known = Object.entries(reasons).toSorted((a, b) => b[1] - a[1]);
  return known.length === 0
    ? ""
    : ` ${name}: ${known.map(([reason, items]) => `${count(items)} ${reason}`).join(", ")}.`;
}

function PieceName({ piece }: { piece: Piece }): JSX.Element {
  const words = (
    <>
      <span>{piece.name}</span> <b class="num">{count(piece.items)}</b>
    </>
  );
  return piece.query === null || piece.items === 0 ? (
    <span class="piece">{words}</span>
  ) : (
    <a class="piece" href={itemsHref(piece.query)}>
      {words}
    </a>
  );
}

function CompletenessBar({ pieces }: { pieces: readonly Piece[] }): JSX.Element {
  const whole = pieces.reduce((sum, { items }) => sum + items, 0);
  const words = pieces.filter(({ items }) => items > 0).map(({ name, items }) => `${name} ${percent(items, whole)}`);
  return (
    <div class="stack" role="img" aria-label={`Shares: ${words.join(", ")}`}>
      {pieces
        .filter(({ items }) => items > 0)
        .map(({ id, name, items }) => (
          <span
            key={id}
            class={`data-${id}`}
            title={`${name} ${count(items)} · ${percent(items, whole)}`}
            style={{ flexGrow: String(items) }}
          />
        ))}
    </div>
  );
}

function Check({ sum }: { sum: Overview["sum"] }): JSX.Element {
  if (sum === null) return <span>not checked yet</span>;
  return sum.holds ? (
    <Pill level="ok">
      adds up, checked at <span class="num">{clock(sum.checkedAtMs)}</span>
    </Pill>
  ) : (
    <Pill level="bad">
      does not add up, checked at <span class="num">{clock(sum.checkedAtMs)}</span>
    </Pill>
  );
}
