import type { ComponentChildren, JSX } from "preact";
import {
  amount,
  clockMinute,
  count,
  DASH,
  duration,
  durationRange,
  momentRange,
  money,
  moneyRange,
  percent,
  rate,
} from "../format.ts";
import { now, overview, part } from "../state.ts";

const doing = part(() => {
  const { run = null, totals = null, forecast = null, lastEnd = null } = overview.value ?? {};
  return { run: run === null ? null : pick(run), totals, forecast, lastEnd };
});

function pick(run: NonNullable<typeof overview.value>["run"] & object) {
  const { total, counters, itemsPerSecond, itemsPerSecondMean, budget, state, startedAtMs, mode } = run;
  return { total, counters, itemsPerSecond, itemsPerSecondMean, budget, state, startedAtMs, mode };
}

/** What is done, how fast, when it ends, and for how much. */
export function Figures(): JSX.Element {
  const { run } = doing.value;
  return (
    <dl class="card figures" data-testid="figures">
      {run === null ? <RestFigures /> : <RunFigures />}
    </dl>
  );
}

function Figure(props: {
  name: string;
  testid: string;
  value: string;
  unit?: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="figure" data-testid={props.testid}>
      <dt>{props.name}</dt>
      <dd class="value">
        <span class="num">{props.value}</span> {props.unit !== undefined && <small>{props.unit}</small>}
      </dd>
      <dd class="figure-note">{props.children}</dd>
    </div>
  );
}

function RunFigures(): JSX.Element {
  const { run, forecast } = doing.value;
  const { total, counters, itemsPerSecond, itemsPerSecondMean, budget } = run!;
  const done = counters.read - counters.inFlight;
  const finish = forecast?.finish ?? null;
  const cost = forecast?.cost ?? null;
  return (
    <>
      <Figure
        name="Done"
        testid="done"
        value={count(done)}
        {...(total === null ? { unit: "so far" } : { unit: `of ${count(total)}` })}
      >
        {total === null ? (
          "how many there are is not known"
        ) : (
          <>
            <b>{percent(done, total)}</b> · {count(Math.max(0, total - done))} left
          </>
        )}
      </Figure>
      <Figure name="Rate, last 30 s" testid="rate" value={rate(itemsPerSecond)} unit="items/s">
        <b>{rate(itemsPerSecondMean)}</b> on average since the start
      </Figure>
      <Figure
        name={
          finish !== null && clockMinute(finish.fromMs) === clockMinute(finish.toMs) ? "Ends at about" : "Ends between"
        }
        testid="ends"
        value={finish === null ? "?" : momentRange(finish.fromMs, finish.toMs, now.value)}
      >
        {finish === null ? (
          (forecast?.note ?? "not known yet")
        ) : (
          <>
            in <b>{durationRange(Math.max(0, finish.fromMs - now.value), Math.max(0, finish.toMs - now.value))}</b>
            {forecast?.note && `, ${forecast.note}`}
          </>
        )}
      </Figure>
      <Figure
        name="Cost by the end"
        testid="cost"
        value={cost === null ? "?" : moneyRange(cost.fromUsd, cost.toUsd)}
        {...(budget === null ? {} : { unit: `of ${money(budget.usd)}` })}
      >
        <b>{money(counters.costUsd)}</b> now
        {counters.savedUsd !== null && counters.savedUsd > 0 && (
          <>
            {" "}
            · <b>{money(counters.savedUsd)}</b> saved
          </>
        )}
      </Figure>
    </>
  );
}

/** While nobody works: what the job has in all. */
function RestFigures(): JSX.Element {
  const { totals, lastEnd } = doing.value;
  return (
    <>
      <Figure name="Classified in all" testid="done" value={count(totals?.classified ?? null)} unit="items">
        {count(totals?.skipped ?? null)} skipped
      </Figure>
      <Figure
        name="Rate of the last run"
        testid="rate"
        value={lastEnd === null ? DASH : rate(lastEnd.itemsPerSecond)}
        unit="items/s"
      >
        {lastEnd === null ? "nothing has run yet" : `${count(lastEnd.read)} items in ${duration(lastEnd.durationMs)}`}
      </Figure>
      <Figure name="Failed" testid="ends" value={count(totals?.deadLetters ?? null)} unit="dead letters">
        {count(totals?.retryQueued ?? null)} in retry queues
      </Figure>
      <Figure name="Cost in all" testid="cost" value={money(totals?.costUsd ?? null)}>
        {totals === null ? "not known" : `${amount(totals.modelCalls)} calls`}
      </Figure>
    </>
  );
}
