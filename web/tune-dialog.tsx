import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Question } from "./dialog.tsx";
import { money } from "./format.ts";
import { overview, run } from "./state.ts";

/** How many calls at once, and what may be spent: until the run ends. */
export function TuneDialog(): JSX.Element {
  const { slots, budget = null, counters } = run.peek() ?? {};
  const [automatic, setAutomatic] = useState(slots?.automatic ?? false);
  const [concurrency, setConcurrency] = useState(String(slots?.ceiling ?? 5));
  const [limited, setLimited] = useState(budget !== null);
  const [usd, setUsd] = useState(budget === null ? "" : String(budget.usd));
  const concurrencyNow = slots?.automatic ? "auto" : (slots?.ceiling ?? null);
  const wanted = {
    concurrency: automatic ? "auto" : Number(concurrency),
    budget: limited ? Number(usd) : null,
  };
  const isWrong =
    (!automatic && !/^[1-9]\d{0,3}$/.test(concurrency)) || (limited && !(usd.trim() !== "" && Number(usd) > 0));
  const spent = budget?.spentUsd ?? counters?.costUsd ?? null;
  const forecast = overview.value?.forecast.cost ?? null;
  const body: Record<string, unknown> = {
    ...(wanted.concurrency === concurrencyNow ? {} : { concurrency: wanted.concurrency }),
    ...(wanted.budget === (budget?.usd ?? null) ? {} : { budget: wanted.budget }),
  };
  const isSame = Object.keys(body).length === 0;
  const blocked = isWrong
    ? "A whole number of calls and an amount above 0 are needed."
    : isSame
      ? "Nothing is changed yet."
      : null;
  return (
    <Question title="Tune this run" label="Change it" verb="set" body={() => body} blocked={blocked}>
      <fieldset>
        <legend>Calls at once</legend>
        <label class="check">
          <input type="checkbox" checked={automatic} onChange={(event) => setAutomatic(event.currentTarget.checked)} />
          Find out by itself
        </label>
        {!automatic && (
          <label class="field">
            At most
            <input
              type="number"
              min={1}
              max={9999}
              step={1}
              required
              value={concurrency}
              onInput={(event) => setConcurrency(event.currentTarget.value)}
            />
          </label>
        )}
        <p class="hint">
          More calls at once end sooner and cost the same. Providers may answer with 429 above their limits.
        </p>
      </fieldset>
      <fieldset>
        <legend>Budget{budget === null ? "" : `, per ${budget.per}`}</legend>
        <label class="check">
          <input type="checkbox" checked={limited} onChange={(event) => setLimited(event.currentTarget.checked)} />
          Stop before more is spent
        </label>
        {limited && (
          <label class="field">
            USD
            <input
              type="number"
              min={0.01}
              step={0.01}
              required
              value={usd}
              onInput={(event) => setUsd(event.currentTarget.value)}
            />
          </label>
        )}
        <p class="hint">
          {spent === null ? "What was spent is not known." : `${money(spent)} are spent.`}
          {forecast !== null && ` The whole run is likely to cost up to ${money(forecast.toUsd)}.`}
          {limited &&
            spent !== null &&
            Number(usd) > 0 &&
            Number(usd) <= spent &&
            " With this budget the run stops now."}
        </p>
      </fieldset>
      <p class="hint">It holds until the run ends; no file is changed.</p>
    </Question>
  );
}
