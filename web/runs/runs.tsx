import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import type { Runs } from "../../src/dashboard/api.ts";
import type { ExecutionStatus } from "../../src/events.ts";
import { count, duration, moment, money, rate, weekdayMoment } from "../format.ts";
import {
  Card,
  Empty,
  Failed,
  Filling,
  Loading,
  Pill,
  type PillLevel,
  RunCommand,
  Scroll,
  ViewHead,
} from "../parts.tsx";
import { only } from "../query.ts";
import { useResource } from "../resource.ts";
import { goTo, hrefOf, itemsHref, route } from "../route.ts";
import { me, now, overview, part, streams } from "../state.ts";
import { Comparison } from "./comparison.tsx";

const STATUSES: Readonly<Record<ExecutionStatus, { level: PillLevel; word: string }>> = {
  completed: { level: "ok", word: "completed" },
  completed_with_failures: { level: "warn", word: "with failures" },
  stopped: { level: "idle", word: "stopped" },
  failed: { level: "bad", word: "failed" },
};

/** Times that come next are asked for anew so often, ms. */
const ANEW_MS = 60_000;

/** What ran, what will, how far behind, and what differed between two. */
export function RunsView(): JSX.Element {
  const again = useComputed(() => {
    const { run = null, lastEnd = null } = overview.value ?? {};
    return [run?.executionId, lastEnd?.executionId, streams.value, Math.floor(now.value / ANEW_MS)].join(" ");
  });
  const { data, error, reload } = useResource<Runs>("/runs", again);
  const chosen = [route.value.query.get("a"), route.value.query.get("b")].filter((id) => id !== null);
  return (
    <>
      <ViewHead title="Runs & schedules" />
      {error !== null && (
        <div class="card">
          <Failed what="The runs" why={error} again={reload} />
        </div>
      )}
      {data === null && error === null && <Loading rows={10} what="the runs" />}
      {data !== null && (
        <>
          <div class="two">
            <div class="two-main">
              <Executions executions={data.executions} chosen={chosen} />
            </div>
            <div class="two-side">
              <Schedules schedules={data.schedules} />
              <LagCard />
            </div>
          </div>
          {chosen.length === 2 && <Comparison a={chosen[0]!} b={chosen[1]!} />}
        </>
      )}
    </>
  );
}

function Executions(props: { executions: Runs["executions"]; chosen: readonly string[] }): JSX.Element {
  const { executions, chosen } = props;
  const toggle = (id: string): void => {
    const next = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen.slice(-1), id];
    const [a = "", b = ""] = next;
    goTo(hrefOf("runs", null, { a, b }), "replace");
  };
  if (executions.length === 0)
    return (
      <Card title="Executions" id="executions">
        <Empty title="Nothing has run yet">
          <Filling>each run stands here when it has ended.</Filling>
        </Empty>
      </Card>
    );
  return (
    <Card
      title="Executions"
      id="executions"
      aside={
        chosen.length === 1
          ? "choose one more to compare"
          : chosen.length === 2
            ? "compared below"
            : "choose two to compare"
      }
    >
      <Scroll label="Table of executions">
        <table class="data">
          <thead>
            <tr>
              <th scope="col">
                <span class="unseen">Compare</span>
              </th>
              <th scope="col">Execution</th>
              <th scope="col">Ended</th>
              <th scope="col" class="right">
                Took
              </th>
              <th scope="col" class="right">
                Read
              </th>
              <th scope="col" class="right">
                Classified
              </th>
              <th scope="col" class="right">
                Dead
              </th>
              <th scope="col" class="right">
                Items/s
              </th>
              <th scope="col" class="right">
                Cost
              </th>
            </tr>
          </thead>
          <tbody>
            {executions.map((one) => (
              <Execution
                key={one.executionId}
                one={one}
                isChosen={chosen.includes(one.executionId)}
                onToggle={() => toggle(one.executionId)}
              />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  );
}

function Execution(props: { one: Runs["executions"][number]; isChosen: boolean; onToggle: () => void }): JSX.Element {
  const {
    executionId,
    status,
    message,
    mode,
    startedAtMs,
    durationMs,
    read,
    classified,
    deadLetters,
    itemsPerSecond,
    costUsd,
  } = props.one;
  const { level, word } = STATUSES[status];
  return (
    <tr class={props.isChosen ? "open" : ""} data-testid={`execution-${executionId}`}>
      <td>
        <input
          type="checkbox"
          checked={props.isChosen}
          onChange={props.onToggle}
          aria-label={`Compare execution ${executionId}`}
        />
      </td>
      <th scope="row">
        <a href={itemsHref(only("execution", executionId))}>{executionId}</a>
        <small class="num">
          {mode} · {moment(startedAtMs, now.peek())}
        </small>
      </th>
      <td>
        <Pill level={level}>{word}</Pill>
        {message !== null && <small>{message}</small>}
      </td>
      <td class="num right">{duration(durationMs)}</td>
      <td class="num right">{count(read)}</td>
      <td class="num right">{count(classified)}</td>
      <td class="num right">{count(deadLetters)}</td>
      <td class="num right">{rate(itemsPerSecond)}</td>
      <td class="num right">{money(costUsd)}</td>
    </tr>
  );
}

function Schedules({ schedules }: { schedules: Runs["schedules"] }): JSX.Element {
  const present = now.value;
  return (
    <Card title="Schedules" id="schedules">
      {schedules.length === 0 ? (
        <Empty title="No schedule">
          Job <b>{me.value?.job}</b> is run every night by{" "}
          <RunCommand more={'--mode scheduled --schedule "0 2 * * *"'} />
        </Empty>
      ) : (
        <ul class="schedules">
          {schedules.map(({ name, cron, timezone, nextMs }) => (
            <li key={name}>
              <h3>
                {name} <code>{cron}</code>
              </h3>
              <p class="dim">{timezone}</p>
              <ol class="num">
                {nextMs.map((ms, at) => (
                  <li key={ms}>
                    <span>{weekdayMoment(ms, present)}</span>
                    {at === 0 && <b>in {duration(ms - present)}</b>}
                  </li>
                ))}
              </ol>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

const lag = part(() => overview.value?.run?.lag ?? null);
const BASES = {
  "updated-at": "by the time in the item",
  "object-id": "by the time in its id",
  "first-seen": "since it was first seen",
};

/** How old the oldest item is that nobody has worked on. */
function LagCard(): JSX.Element {
  const { ms = null, sinceMs = null, basis = null } = lag.value ?? {};
  const age =
    ms === 0 ? "none" : sinceMs !== null ? duration(now.value - sinceMs) : ms === null ? "not known" : duration(ms);
  return (
    <Card title="Lag" id="lag">
      <p class="big num">{age}</p>
      <p class="dim">
        {ms === 0
          ? "Nothing unprocessed is waiting."
          : basis === null
            ? "The age of the oldest unprocessed item; continuous mode measures it."
            : `The oldest unprocessed item, ${BASES[basis]}.`}
      </p>
    </Card>
  );
}
