import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { ItemDetail, ItemRow } from "../../src/dashboard/api.ts";
import { CustomerText } from "../customer-text.tsx";
import { clock, count, duration, isSameDay, latency, moment, money } from "../format.ts";
import { Icon } from "../icon.tsx";
import { Labels } from "../label.tsx";
import { Empty, Failed, Loading, Pill, Scroll } from "../parts.tsx";
import { only } from "../query.ts";
import { useResource } from "../resource.ts";
import { goTo, hrefOf, itemsHref, route } from "../route.ts";
import { me, now } from "../state.ts";
import { capital, OUTCOMES, reviewReason, sureness, surenessHelp } from "../words.ts";
import { Conversation } from "./conversation.tsx";
import { OUTCOME_LEVELS } from "./table.tsx";

/** One item: what was written, what was decided, by whom, how it came to that, and for how much. */
export function ItemPanel({ itemKey, back }: { itemKey: string; back: string }): JSX.Element {
  const { data, error, code, reload } = useResource<ItemDetail>(`/items/${encodeURIComponent(itemKey)}`);
  const found = data?.row.key ?? itemKey;
  useEffect(() => {
    // An id as it is typed: the address goes on with the key.
    const { view, query } = route.peek();
    if (found !== itemKey) goTo(hrefOf(view, found, Object.fromEntries(query)), "replace");
  }, [found, itemKey]);
  return (
    <article class="card item" aria-label="Item" data-testid="item" tabIndex={-1}>
      <header class="item-head">
        <a class="button quiet square narrow-back" href={back} aria-label="Back to the list">
          <Icon name="back" />
        </a>
        <h2 class="mono">
          <CustomerText text={data?.row.id ?? (error === null ? "…" : itemKey)} />
        </h2>
        {data !== null && <Pill level={OUTCOME_LEVELS[data.row.outcome]}>{OUTCOMES[data.row.outcome]}</Pill>}
        <a class="button quiet square wide-close" href={back} aria-label="Close this item">
          <Icon name="close" />
        </a>
      </header>
      {error !== null &&
        (code === "ITEM_NOT_FOUND" || code === "USAGE" ? (
          <NoItem id={itemKey} why={error} isSeveral={code === "USAGE"} back={back} />
        ) : (
          <Failed what="The item" why={error} again={reload} />
        ))}
      {data === null && error === null && <Loading rows={10} what="the item" />}
      {data !== null && <ItemParts item={data} />}
    </article>
  );
}

/** What was typed into the address is the id of none, or of several. */
function NoItem(props: { id: string; why: string; isSeveral: boolean; back: string }): JSX.Element {
  const { id, why, isSeveral, back } = props;
  return (
    <div role="alert" data-testid="no-item">
      <Empty title={isSeveral ? "Several items have this id" : `Job ${me.value?.job ?? ""} has no such item`}>
        <CustomerText text={why} />{" "}
        {isSeveral ? <a href={itemsHref(only("id", id))}>Show them</a> : <a href={back}>Back to the list</a>}
      </Empty>
    </div>
  );
}

function ItemParts({ item }: { item: ItemDetail }): JSX.Element {
  const { conversation } = item;
  return (
    <>
      <Part
        title="Conversation"
        aside={
          conversation === null
            ? ""
            : `${count(conversation.length)} ${conversation.length === 1 ? "message" : "messages"}`
        }
      >
        <Conversation item={item} />
      </Part>
      <Part title="Record" aside={decidedWords(item.row)}>
        <Decision item={item} />
      </Part>
      <Part title="Attempts" aside={item.attempts.length === 0 ? "" : took(item)}>
        <Attempts attempts={item.attempts} />
      </Part>
      <Part title="Cost" aside={<span class="num">{money(item.row.costUsd)}</span>}>
        <Costs cost={item.cost} />
      </Part>
      {item.history.length > 0 && (
        <Part title="What it replaced" aside={`${count(item.history.length)} before`}>
          <ol class="before">
            {item.history.map((record, at) => (
              <li key={at}>
                <Before record={record} />
              </li>
            ))}
          </ol>
        </Part>
      )}
    </>
  );
}

function Part(props: { title: string; aside: ComponentChildren; children: ComponentChildren }): JSX.Element {
  return (
    <section class="item-part">
      <header>
        <h3>{props.title}</h3>
        <span class="aside">{props.aside}</span>
      </header>
      {props.children}
    </section>
  );
}

function decidedWords({ decidedBy, confidenceKind }: ItemRow): string {
  if (decidedBy === null) return "nothing is decided";
  const who =
    decidedBy === "person" ? "a person" : decidedBy === "offline" ? "the offline classifier" : `the ${decidedBy}`;
  return `decided by ${who}${confidenceKind === "calibrated" ? " · confidence calibrated" : ""}`;
}

function Decision({ item: { row, record } }: { item: ItemDetail }): JSX.Element {
  const dimensions = me.value?.dimensions ?? [];
  return (
    <>
      <dl class="facts" data-testid="record">
        {dimensions.map(({ id }) => (
          <div key={id}>
            <dt>{capital(id)}</dt>
            <dd>
              <Labels dimension={id} value={row.labels[id]} />
            </dd>
            <dd class="num right" title={surenessHelp(row.confidenceKind)}>
              {sureness(row.confidence[id], row.confidenceKind)}
            </dd>
          </div>
        ))}
        {row.summary !== null && (
          <div>
            <dt>Summary</dt>
            <dd class="whole">
              <CustomerText text={row.summary} />
            </dd>
          </div>
        )}
        {row.reviewReasons.length > 0 && (
          <div>
            <dt>{row.needsReview ? "Needs review" : "Reviewed for"}</dt>
            <dd class="whole">{row.reviewReasons.map(reviewReason).join(", ")}</dd>
          </div>
        )}
        {row.atMs !== null && (
          <div>
            <dt>When</dt>
            <dd class="whole num">{moment(row.atMs, now.peek())}</dd>
          </div>
        )}
      </dl>
      {record !== null && (
        <details>
          <summary>The whole record</summary>
          <Scroll label="The whole record" class="record">
            <CustomerText text={JSON.stringify(record, null, 2)} />
          </Scroll>
        </details>
      )}
    </>
  );
}

function took({ attempts }: ItemDetail): string {
  const first = attempts[0]!.atMs - (attempts[0]!.tookMs ?? 0);
  const last = attempts.at(-1)!.atMs;
  return `${count(attempts.length)} steps · ${last - first < 20_000 ? latency(last - first) : duration(last - first)}`;
}

function Attempts({ attempts }: { attempts: ItemDetail["attempts"] }): JSX.Element {
  if (attempts.length === 0) return <p class="dim">Nothing is known of its attempts any more.</p>;
  const present = now.peek();
  return (
    <ol class="timeline" data-testid="attempts">
      {attempts.map(({ atMs, what, detail, level, tookMs }, at) => (
        <li key={at} class={level}>
          <span class="num when">{isSameDay(atMs, present) ? clock(atMs) : moment(atMs, present)}</span>
          <span class="knot" aria-hidden="true" />
          <span>
            <b>{what}</b>
            {detail !== null && (
              <>
                {" "}
                · <CustomerText text={detail} />
              </>
            )}
          </span>
          <span class="num right dim">{tookMs === null ? "" : latency(tookMs)}</span>
        </li>
      ))}
    </ol>
  );
}

function Costs({ cost }: { cost: ItemDetail["cost"] }): JSX.Element {
  const paid = cost.filter(({ tokens }) => tokens > 0);
  if (paid.length === 0) return <p class="dim">It cost nothing that is known.</p>;
  return (
    <table class="sums">
      <caption class="unseen">Cost of this item</caption>
      <tbody>
        {paid.map(({ what, tokens, usd }) => (
          <tr key={what}>
            <th scope="row">
              {what}, <span class="num">{count(tokens)}</span> tokens
            </th>
            <td class="num">{usd === null ? "?" : `$${usd.toFixed(5)}`}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Before({ record }: { record: Readonly<Record<string, unknown>> }): JSX.Element {
  return (
    <details>
      <summary>
        {["category", "decidedBy", "classifiedAt"]
          .map((field) => wordsOf(record[field]))
          .filter((words) => words !== "")
          .join(" · ") || "record"}
      </summary>
      <Scroll label="A record before" class="record">
        <CustomerText text={JSON.stringify(record, null, 2)} />
      </Scroll>
    </details>
  );
}

/** A value of EJSON as a word; nothing for what has none. */
function wordsOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || !("$date" in value)) return "";
  const ms = typeof value.$date === "string" ? Date.parse(value.$date) : Number.NaN;
  return Number.isNaN(ms) ? "" : moment(ms, now.peek());
}
