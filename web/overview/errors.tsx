import type { JSX } from "preact";
import { count, moment } from "../format.ts";
import { Card } from "../parts.tsx";
import { now, overview, part } from "../state.ts";

/** Messages that are shown; the newest of them first. */
const MOST = 6;
const errors = part(() => (overview.value?.run?.errors ?? []).slice(-MOST).toReversed());

/** What calls failed with, grouped by message. */
export function ErrorsCard(): JSX.Element | null {
  if (errors.value.length === 0) return null;
  return (
    <Card title="Last errors" id="errors" aside="grouped by message">
      <ul class="errors">
        {errors.value.map(({ message, failure, endpoint, count: times, lastMs }) => (
          <li key={`${message} ${endpoint}`}>
            <span class="message">
              {message}
              <span class="dim">
                {" "}
                · {failure}
                {endpoint !== null && ` · ${endpoint}`}
              </span>
            </span>
            <b class="num">{count(times)}</b>
            <span class="num dim">{moment(lastMs, now.peek())}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
