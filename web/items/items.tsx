import type { JSX } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { ExportLinks } from "../export-links.tsx";
import { count } from "../format.ts";
import { Button, ViewHead } from "../parts.tsx";
import { goTo, hrefOf, route } from "../route.ts";
import { ItemPanel } from "./item.tsx";
import { type LoadedItems, loaded, loadItems } from "./list.ts";
import { ItemSearch } from "./search.tsx";
import { ItemTable } from "./table.tsx";

const ORDERS = [
  ["", "newest first"],
  ["oldest", "oldest first"],
  ["least-certain", "least certain first"],
] as const;

/** Any item of millions, and why it is what it is. */
export function ItemsView(): JSX.Element {
  const { rest: key, query } = route.value;
  const q = query.get("q") ?? "";
  const order = query.get("order") ?? "";
  useEffect(() => void loadItems(q, order), [q, order]);
  useListPlace(key !== null);
  return (
    <>
      <ViewHead title="Items" note={<CountNote />}>
        <label class="field">
          <span class="unseen">Order</span>
          <select
            value={order}
            onChange={(event) => goTo(hrefOf("items", key, { q, order: event.currentTarget.value }), "replace")}
          >
            {ORDERS.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <Button onClick={() => void loadItems(q, order, true)} testid="refresh">
          Refresh
        </Button>
        <ItemExport q={q} />
      </ViewHead>
      <ItemSearch q={q} order={order} />
      <Command />
      <div class={`split ${key === null ? "" : "is-open"}`}>
        <div class="split-list">
          <ItemTable open={key} q={q} order={order} />
        </div>
        {key !== null && (
          <div class="split-item">
            <ItemPanel key={key} itemKey={key} back={hrefOf("items", null, { q, order })} />
          </div>
        )}
      </div>
    </>
  );
}

/** How far the list was scrolled when an item was opened over it. */
let listPlace = 0;

/** Where an open item takes the whole page, it begins at its top, and going back finds the list where it was. */
function useListPlace(isOpen: boolean): void {
  useLayoutEffect(() => {
    if (!matchMedia("(max-width: 1120px)").matches) return;
    scrollTo(0, isOpen ? 0 : listPlace);
    if (isOpen) document.querySelector<HTMLElement>(".item")?.focus({ preventScroll: true });
  }, [isOpen]);
  useEffect(() => {
    if (isOpen) return;
    const remember = (): void => {
      listPlace = scrollY;
    };
    addEventListener("scroll", remember, { passive: true });
    return () => removeEventListener("scroll", remember);
  }, [isOpen]);
}

function CountNote(): JSX.Element {
  return (
    <span class="num" role="status" data-testid="item-count">
      {countWords(loaded.value)}
    </span>
  );
}

function countWords({ count: told, command, q, rows, next }: LoadedItems): string {
  if (command === null) return "…";
  const counted = told ?? (next === null ? { items: rows.length, atLeast: false } : null);
  if (counted === null) return q === "" ? "all of them" : "not counted";
  const one = `${count(counted.items)}${counted.atLeast ? " and more" : ""}`;
  return q === "" ? `${one} in all` : `${one} ${counted.items === 1 ? "matches" : "match"}`;
}

function ItemExport({ q }: { q: string }): JSX.Element {
  const { error, rows } = loaded.value;
  if (error !== null && rows.length === 0)
    return (
      <Button icon="export" blocked="These items could not be loaded, so there is no file of them." onClick={() => {}}>
        Export
      </Button>
    );
  return <ExportLinks path="/export" query={{ q }} what="what is seen" />;
}

/** The command that lists the same items. */
function Command(): JSX.Element {
  const { command, note } = loaded.value;
  return (
    <p class="command">
      The same in a terminal: <code data-testid="command">{command ?? "…"}</code>
      {note !== null && <span class="list-note"> · {note}</span>}
    </p>
  );
}
