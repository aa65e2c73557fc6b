import type { JSX } from "preact";
import { count, duration, moment } from "../format.ts";
import { Card, Empty } from "../parts.tsx";
import { hrefOf } from "../route.ts";
import { now, overview, part } from "../state.ts";

const waiting = part(() => overview.value?.waiting ?? []);

/** What waits, longest first; each with its reason and its end. */
export function WaitingCard(): JSX.Element {
  return (
    <Card title="Waiting longest" id="waiting" aside="nothing waits without a time">
      {waiting.value.length === 0 ? (
        <Empty title="Nothing waits" />
      ) : (
        <ul class="waits">
          {waiting.value.map((wait) => (
            <li key={wait.what}>
              <p class="what">
                {wait.key === undefined ? wait.what : <a href={hrefOf("items", wait.key)}>{wait.what}</a>}
                {wait.items !== null && wait.items > 1 && !wait.what.includes(count(wait.items)) && (
                  <span class="num"> · {count(wait.items)} items</span>
                )}
              </p>
              <Age sinceMs={wait.sinceMs} />
              <p class="why">{wait.reason}</p>
              <Until untilMs={wait.untilMs} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Age({ sinceMs }: { sinceMs: number | null }): JSX.Element {
  return <p class="age num">{sinceMs === null ? "" : duration(now.value - sinceMs)}</p>;
}

function Until({ untilMs }: { untilMs: number | null }): JSX.Element {
  const present = now.value;
  if (untilMs === null) return <p class="until">until it is over</p>;
  return (
    <p class="until num">
      {untilMs <= present ? "due now" : `${moment(untilMs, present)}, in ${duration(untilMs - present)}`}
    </p>
  );
}
