import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useState } from "preact/hooks";
import type { ItemDetail, ItemRow, SimilarItem } from "../../src/dashboard/api.ts";
import { sayError } from "../client.ts";
import { CustomerText } from "../customer-text.tsx";
import { count as countWords } from "../format.ts";
import { Conversation } from "../items/conversation.tsx";
import { onKey } from "../keys.ts";
import { Button, Card, Empty, Failed, Filling, Loading, Pill, ViewHead } from "../parts.tsx";
import { useResource } from "../resource.ts";
import { changedFields, reviewAction, reviewKeys, stepped, UNDO_KEY } from "../review-keys.ts";
import { hrefOf } from "../route.ts";
import { me, readOnly, say } from "../state.ts";
import { reviewReason, sureness } from "../words.ts";
import { Choices, type Draft } from "./choices.tsx";
import {
  at,
  beginAgain,
  busy,
  count,
  decide,
  decided,
  detailOf,
  fill,
  known,
  rows,
  skip,
  trouble,
  undo,
} from "./queue.ts";

/** One item, one key, next; the least certain first. */
export function ReviewView(): JSX.Element {
  useEffect(() => void fill(), []);
  const row = rows.value[at.value];
  useEffect(
    () =>
      onKey(({ key }) => {
        if (key === UNDO_KEY) void undo();
        return key === UNDO_KEY;
      }),
    [],
  );
  return (
    <>
      <ViewHead title="Review" note={<Progress />}>
        <Button onClick={() => void undo()} keyHint={UNDO_KEY} blocked={readOnly.value}>
          Undo
        </Button>
      </ViewHead>
      {readOnly.value !== null && <p class="banner warn">{readOnly.value}</p>}
      {trouble.value !== null && (
        <div class="card">
          <Failed what="The review list" why={trouble.value} again={() => void fill()} />
        </div>
      )}
      {row !== undefined ? (
        <OneReview key={row.key} row={row} following={rows.value[at.value + 1]?.key ?? null} />
      ) : !known.value || busy.value ? (
        trouble.value === null && <Loading rows={10} what="the review list" />
      ) : (
        <div class="card">
          <Empty title={rows.value.length === 0 ? "Nothing has to be reviewed" : "That was the last one"}>
            {rows.value.length > 0 ? (
              <Button onClick={() => void beginAgain()}>Look for more</Button>
            ) : (
              <Filling>what the model is unsure of comes here, the least certain first.</Filling>
            )}
          </Empty>
        </div>
      )}
    </>
  );
}

function Progress(): JSX.Element {
  const all = Math.max(count.value?.items ?? 0, rows.value.length);
  const done = decided.value;
  const agreed = done.filter((one) => one.agreed).length;
  return (
    <span class="review-progress" data-testid="review-progress">
      <span class="num">
        {all === 0
          ? ""
          : `${countWords(Math.min(at.value + 1, all))} of ${countWords(all)}${count.value?.atLeast ? " and more" : ""}`}
      </span>
      {all > 0 && " · least certain first"}
      {done.length > 0 && (
        <>
          {" "}
          · agreed with the model on{" "}
          <span class="num">
            {agreed} of {done.length}
          </span>
        </>
      )}
    </span>
  );
}

/** Categories that the model named besides, with their shares. */
function sharesOf(record: ItemDetail["record"]): ReadonlyMap<string, number> {
  const named = Array.isArray(record?.alternatives) ? record.alternatives : [];
  return new Map(
    named.flatMap((one: unknown) => {
      const { label, p } = (one ?? {}) as { label?: unknown; p?: unknown };
      return typeof label === "string" && typeof p === "number" ? [[label, p] as const] : [];
    }),
  );
}

function OneReview({ row, following }: { row: ItemRow; following: string | null }): JSX.Element {
  const [item, setItem] = useState<ItemDetail | null>(null);
  const [error, setError] = useState<string | null>(null);
  // Read when a key is pressed: keys may come faster than the page is drawn.
  const draft = useSignal<Draft>(row.labels);
  const dimensions = me.value?.dimensions ?? [];
  const keys = useMemo(() => reviewKeys(dimensions), [dimensions]);
  const load = (): void => {
    setError(null);
    detailOf(row.key).then(
      (found) => {
        setItem(found);
        if (following !== null) void detailOf(following).catch(() => {});
      },
      (refused) => setError(sayError(refused)),
    );
  };
  useEffect(load, []);
  const submit = async (choice: Draft): Promise<void> => {
    const fields = changedFields(dimensions, row.labels, choice);
    const hash = item?.record?.contentHash;
    const status = await decide(row, fields, typeof hash === "string" ? hash : null);
    if (status === "confirmed" || status === "corrected" || status === "unchanged")
      say("ok", decisionWords(row, fields), { label: "Undo", key: UNDO_KEY, act: () => void undo() });
  };
  const pick = (label: string): void => {
    if (keys.decided !== null) draft.value = { ...draft.peek(), [keys.decided.id]: label };
    void submit(draft.peek());
  };
  // At once with what is drawn: a key that is pressed as soon as the conversation is seen is for it.
  useLayoutEffect(() =>
    onKey((event) => {
      const action = reviewAction(event.key, keys);
      if (action === null || action.kind === "undo") return false;
      const isOnControl = event.target instanceof Element && event.target.matches("a, button, summary, input");
      if (event.key === "Enter" && isOnControl) return false;
      if (action.kind === "skip") skip();
      else if (readOnly.peek() !== null || item === null)
        say("info", readOnly.peek() ?? "The conversation is still loading.");
      else if (action.kind === "decide") pick(action.label);
      else if (action.kind === "keep") void submit(draft.peek());
      else if (action.kind === "step") {
        const { labels } = keys.scales.find(({ dimension }) => dimension.id === action.dimension)!;
        const present = draft.peek()[action.dimension];
        draft.value = {
          ...draft.peek(),
          [action.dimension]: stepped(labels, typeof present === "string" ? present : null, action.by),
        };
      }
      return true;
    }),
  );
  const blocked = readOnly.value ?? (item === null ? "The conversation is still loading." : null);
  return (
    <div class="review" aria-busy={busy.value} data-testid="review-item" data-key={row.key}>
      <div class="review-item">
        <section class="card" aria-label="Item">
          <header class="item-head">
            <h2 class="mono">
              <a href={hrefOf("items", row.key)}>{row.id}</a>
            </h2>
            {row.reviewReasons.length > 0 && <Pill level="warn">{row.reviewReasons.map(reviewReason).join(", ")}</Pill>}
          </header>
          <div class="item-part large">
            {error !== null && <Failed what="The conversation" why={error} again={load} />}
            {item === null && error === null && <Loading rows={4} what="the conversation" />}
            {item !== null && <Conversation item={item} />}
            {row.summary !== null && (
              <p class="summary">
                <b>The model’s summary:</b> <CustomerText text={row.summary} />
              </p>
            )}
          </div>
        </section>
        <Similar itemKey={row.key} />
      </div>
      <section class="card review-choices" aria-label="Decision">
        <Choices
          row={row}
          keys={keys}
          draft={draft.value}
          shares={sharesOf(item?.record ?? null)}
          blocked={blocked}
          dimensions={dimensions}
          onDecide={pick}
          onDraft={(dimension, value) => {
            draft.value = { ...draft.peek(), [dimension]: value };
          }}
        />
        <footer class="card-foot">
          <Button look="primary" blocked={blocked} onClick={() => void submit(draft.peek())} keyHint="↵" testid="keep">
            Keep and next
          </Button>
          <Button onClick={skip} keyHint="s">
            Skip
          </Button>
        </footer>
      </section>
    </div>
  );
}

function decisionWords({ id, labels }: ItemRow, fields: Readonly<Record<string, unknown>>): string {
  const changes = Object.entries(fields).map(([field, value]) => {
    const before = labels[me.peek()?.dimensions.find((one) => one.field === field)?.id ?? field];
    return `${[value].flat().join(", ") || "none"} instead of ${[before ?? "none"].flat().join(", ")}`;
  });
  return changes.length === 0
    ? `${id}: the model was right. No run overwrites it.`
    : `${id}: ${changes.join("; ")}. No run overwrites it.`;
}

/** Like cases that were decided before. */
function Similar({ itemKey }: { itemKey: string }): JSX.Element {
  const { data, error, reload } = useResource<SimilarItem[]>(`/items/${encodeURIComponent(itemKey)}/similar`);
  return (
    <Card title="Alike, and already decided" id="similar" aside="by words, nearest first">
      {error !== null && <Failed what="Like items" why={error} again={reload} />}
      {data === null && error === null && <Loading rows={3} what="like items" />}
      {data?.length === 0 && <Empty title="Nothing alike was decided yet" />}
      {data !== null && data.length > 0 && (
        <ul class="similar">
          {data.map((one) => (
            <li key={one.key}>
              <a href={hrefOf("items", one.key)}>
                <CustomerText text={one.text} />
              </a>
              <span>{one.label}</span>
              <span class="dim">by {one.decidedBy === "person" ? "a person" : one.decidedBy}</span>
              <span class="num right">{sureness(one.likeness, "calibrated")}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
