import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ItemRow } from "../../src/dashboard/api.ts";
import { CustomerText } from "../customer-text.tsx";
import { count, moment } from "../format.ts";
import { onKey } from "../keys.ts";
import { Labels } from "../label.tsx";
import { Button, Empty, Failed, Filling, Key, Loading, Pill, type PillLevel } from "../parts.tsx";
import { only, termsOf } from "../query.ts";
import { goTo, hrefOf, itemsHref } from "../route.ts";
import { me, now } from "../state.ts";
import { capital, OUTCOMES, sureness, surenessHelp } from "../words.ts";
import { loaded, loadItems, loadMore } from "./list.ts";

/** So many rows come by themselves as the list is scrolled; then a button brings more. */
const BY_THEMSELVES = 300;
/** Dimensions with a column of their own. */
const COLUMNS = 3;

export const OUTCOME_LEVELS: Readonly<Record<ItemRow["outcome"], PillLevel>> = {
  classified: "ok",
  skipped: "idle",
  retryQueued: "warn",
  deadLetter: "bad",
  pending: "idle",
};

interface Props {
  /** Key of the item that is open. */
  readonly open: string | null;
  readonly q: string;
  readonly order: string;
}

/** The items found, as far as they were loaded. */
export function ItemTable({ open, q, order }: Props): JSX.Element {
  const { rows, loading, error, next, command } = loaded.value;
  const dimensions = (me.value?.dimensions ?? []).slice(0, COLUMNS);
  useMoveKeys(open, q, order);
  if (error !== null && rows.length === 0)
    return (
      <div class="card">
        <Failed what="The items" why={error} again={() => void loadItems(q, order, true)} />
      </div>
    );
  if (rows.length === 0)
    return (
      <div class="card">
        {loading || command === null ? (
          <Loading rows={12} what="items" />
        ) : (
          <Empty title={next !== null ? "None found so far" : q === "" ? "There are no items yet" : "No item matches"}>
            {next !== null ? (
              <Button onClick={() => void loadMore()}>Look further</Button>
            ) : q === "" ? (
              <Filling>items are here as soon as they are settled.</Filling>
            ) : (
              <NoMatch q={q} />
            )}
          </Empty>
        )}
      </div>
    );
  return (
    <div class="card list" aria-busy={loading} data-testid="items">
      <table class="data rows">
        <caption class="unseen">Items</caption>
        <thead>
          <tr>
            <th scope="col">Item</th>
            {dimensions.map(({ id }, at) => (
              <th scope="col" key={id} class={at === 0 ? "first-label" : "other-label"}>
                {capital(id)}
              </th>
            ))}
            <th scope="col" class="other-label">
              Sure
            </th>
            <th scope="col" class="other-label">
              By
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.key} row={row} isOpen={row.key === open} href={hrefOf("items", row.key, { q, order })} />
          ))}
        </tbody>
      </table>
      <footer class="card-foot">
        <span class="num">{count(rows.length)} shown</span>
        {error !== null && <span class="refused">{error}</span>}
        {next === null ? <span>That is all.</span> : <More loading={loading} rows={rows.length} />}
        <span class="key-help wide-only" aria-hidden="true">
          <Key name="↓" /> <Key name="↑" /> move <Key name="↵" /> open
        </span>
      </footer>
    </div>
  );
}

/** Words are looked for in summaries: an id that somebody pasted is in none. */
function NoMatch({ q }: { q: string }): JSX.Element {
  const [term, more] = termsOf(q);
  const id = more === undefined && term?.field === null && !term.negated ? term.values[0]! : null;
  if (id === null || /\s/.test(id)) return <>Take a filter out, or look for other words.</>;
  return (
    <>
      No summary has this word. Is it an id? <a href={itemsHref(only("id", id))}>Look for item {id}</a>
    </>
  );
}

function Row({ row, isOpen, href }: { row: ItemRow; isOpen: boolean; href: string }): JSX.Element {
  const dimensions = me.value?.dimensions ?? [];
  const first = dimensions[0]?.id ?? "category";
  const isClassified = row.outcome === "classified";
  return (
    <tr class={isOpen ? "open" : ""} data-testid="item-row" data-key={row.key}>
      <th scope="row">
        <a class="row-link" href={href} aria-current={isOpen ? "true" : undefined}>
          {row.summary === null ? <span class="dim">no summary</span> : <CustomerText text={row.summary} />}
        </a>
        <span class="row-meta">
          <span class="mono">{row.id}</span>
          {row.atMs !== null && <span class="num">{moment(row.atMs, now.peek())}</span>}
          {row.needsReview && <span class="to-review">needs review</span>}
        </span>
      </th>
      {isClassified ? (
        dimensions.slice(0, COLUMNS).map(({ id }, at) => (
          <td key={id} class={at === 0 ? "first-label" : "other-label"}>
            <Labels dimension={id} value={row.labels[id]} />
          </td>
        ))
      ) : (
        <>
          <td class="first-label">
            <Pill level={OUTCOME_LEVELS[row.outcome]}>{OUTCOMES[row.outcome]}</Pill>
          </td>
          {dimensions.slice(1, COLUMNS).map(({ id }) => (
            <td key={id} class="other-label dim">
              –
            </td>
          ))}
        </>
      )}
      <td class="other-label num" title={surenessHelp(row.confidenceKind)}>
        {sureness(row.confidence[first], row.confidenceKind)}
      </td>
      <td class="other-label">{row.decidedBy ?? "–"}</td>
    </tr>
  );
}

/** Brings more rows when it comes into sight, or when it is pressed. */
function More({ loading, rows }: { loading: boolean; rows: number }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (box.current === null || rows >= BY_THEMSELVES) return;
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && void loadMore(), {
      rootMargin: "400px",
    });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [rows]);
  return (
    <div ref={box}>
      <Button onClick={() => void loadMore()} testid="load-more">
        {loading ? "Loading" : "Load more"}
      </Button>
    </div>
  );
}

/** Arrow keys move from row to row, Enter opens as with any link, Escape goes back to the list. */
function useMoveKeys(open: string | null, q: string, order: string): void {
  useEffect(
    () =>
      onKey((event) => {
        if (event.key === "Escape" && open !== null) {
          goTo(hrefOf("items", null, { q, order }));
          requestAnimationFrame(() => linkOf(open)?.focus());
          return true;
        }
        const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
        if (by === undefined || (event.target as Element).closest?.(".split-item") != null) return false;
        const links = [...document.querySelectorAll<HTMLElement>(".row-link")];
        const at = links.indexOf(document.activeElement as HTMLElement);
        const from =
          at >= 0
            ? at + by
            : Math.max(0, links.findIndex((link) => link.ariaCurrent === "true") + (open === null ? 0 : by));
        links[Math.min(links.length - 1, Math.max(0, from))]?.focus();
        return links.length > 0;
      }),
    [open, q, order],
  );
}

function linkOf(key: string): HTMLElement | null {
  return document.querySelector(`tr[data-key="${CSS.escape(key)}"] .row-link`);
}
