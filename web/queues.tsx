import { useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Cause, Queues } from "../src/dashboard/api.ts";
import { CustomerText } from "./customer-text.tsx";
import { count, duration, items, moment, money } from "./format.ts";
import { Button, Empty, Failed, Filling, Loading, ViewHead } from "./parts.tsx";
import { both, only } from "./query.ts";
import { useResource } from "./resource.ts";
import { hrefOf, itemsHref } from "./route.ts";
import { blocked, dialog, now, overview } from "./state.ts";

/** The list follows the counts, but is asked for no more often than this. */
const LEAST_MS = 5_000;

/** What failed and what waits for another try, by cause, with what can be done about it. */
export function QueuesView(): JSX.Element {
  const again = useSignal("");
  const askedMs = useRef(0);
  useSignalEffect(() => {
    const present = now.value;
    const { totals = null, run = null } = overview.value ?? {};
    const counts = [
      totals?.deadLetters,
      totals?.retryQueued,
      run?.counters.deadLetters,
      run?.counters.retryQueued,
    ].join();
    if (counts === again.peek() || present - askedMs.current < LEAST_MS) return;
    askedMs.current = present;
    again.value = counts;
  });
  const { data, error, reload } = useResource<Queues>("/queues", again);
  return (
    <>
      <ViewHead title="Failures & retries" note={data === null ? undefined : noteOf(data)} />
      {error !== null && <Failed what="What failed" why={error} again={reload} />}
      {data === null ? (
        error === null && <Loading rows={8} what="what failed" />
      ) : (
        <>
          <CauseList title="Dead letters" id="dead" causes={data.dead} none="Nothing has failed for good">
            what it gives up on is gathered here by cause, to be tried again.
          </CauseList>
          <CauseList title="Retry queues" id="retry" causes={data.retry} none="Nothing waits for another try">
            what it will try again by itself waits here.
          </CauseList>
        </>
      )}
    </>
  );
}

function noteOf({ dead, retry }: Queues): string {
  const sum = (causes: readonly Cause[]): string => count(causes.reduce((all, cause) => all + cause.count, 0));
  return `${sum(dead)} dead letters, ${sum(retry)} in retry queues`;
}

function CauseList(props: {
  title: string;
  id: "dead" | "retry";
  causes: readonly Cause[];
  none: string;
  /** What a run brings here. */
  children: string;
}): JSX.Element {
  const { title, id, causes, none, children } = props;
  return (
    <section class="card" aria-labelledby={`${id}-title`} data-testid={`queue-${id}`}>
      <header class="card-head">
        <h2 id={`${id}-title`}>{title}</h2>
        <div class="aside">
          {causes.length > 0 && `${count(causes.length)} ${causes.length === 1 ? "cause" : "causes"}`}
        </div>
      </header>
      {causes.length === 0 ? (
        <Empty title={none}>
          <Filling>{children}</Filling>
        </Empty>
      ) : (
        <ul class="causes">
          {causes.map((cause) => (
            <OneCause key={`${cause.queue} ${cause.failure} ${cause.message}`} cause={cause} kind={id} />
          ))}
        </ul>
      )}
    </section>
  );
}

function OneCause({ cause, kind }: { cause: Cause; kind: "dead" | "retry" }): JSX.Element {
  const present = now.value;
  const { queue, failure, firstMs, lastMs, message, advice, sample } = cause;
  const query = both(only("outcome", kind === "dead" ? "deadLetter" : "retryQueued"), only("failure", failure));
  return (
    <li class="cause" data-testid={`cause-${failure}`}>
      <a class="cause-count num" href={itemsHref(query)} title="Show these items">
        {count(cause.count)}
      </a>
      <div class="cause-words">
        <h3>
          {failure} <span class="dim">· {queue}</span>
        </h3>
        <p class="message">
          <CustomerText text={message} />
        </p>
        <p>{advice}</p>
        <p class="dim num">
          {kind === "dead"
            ? `first ${moment(firstMs, present)}, last ${moment(lastMs, present)}`
            : dueWords(firstMs, lastMs, present)}
        </p>
        {sample.length > 0 && (
          <details>
            <summary>See a sample</summary>
            <ul class="samples">
              {sample.map((one) => (
                <li key={one.key}>
                  <a href={hrefOf("items", one.key, { q: query })}>{one.id}</a>
                  <span class="num dim">{moment(one.atMs, present)}</span>
                  <span>
                    <CustomerText text={one.message} />
                  </span>
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
      <div class="cause-action">
        <RetryButton cause={cause} />
      </div>
    </li>
  );
}

function dueWords(firstMs: number, lastMs: number, present: number): string {
  const first =
    firstMs <= present ? "first due now" : `first due ${moment(firstMs, present)}, in ${duration(firstMs - present)}`;
  return lastMs === firstMs ? first : `${first}; last ${moment(lastMs, present)}`;
}

function RetryButton({ cause }: { cause: Cause }): JSX.Element {
  const { queue, failure, estimateUsd } = cause;
  const label = `Retry ${cause.count === 1 ? "this one" : `these ${count(cause.count)}`}`;
  const price = estimateUsd === null ? "price not known" : `about ${money(estimateUsd)}`;
  return (
    <Button
      blocked={blocked.value}
      onClick={() => {
        dialog.value = {
          kind: "ask",
          title: `Retry ${items(cause.count)}?`,
          text: `They are asked again with all their rounds before them, ${
            estimateUsd === null ? "at a price that is not known" : `for about ${money(estimateUsd)}`
          }. What is worked on at this moment is left alone.`,
          label: `${label} (${price})`,
          verb: "requeue",
          body: { queue, failure },
          danger: false,
        };
      }}
    >
      {label} ({price})
    </Button>
  );
}
