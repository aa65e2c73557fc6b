import type { JSX } from "preact";
import { amount, count, money, moneyRange } from "../format.ts";
import { Card } from "../parts.tsx";
import { overview, part } from "../state.ts";

const told = part(() => {
  const value = overview.value;
  const counters = value?.run?.counters ?? value?.lastEnd ?? null;
  if (value === null || counters === null) return null;
  const { costUsd, savedUsd, uncertainUsd, uncertainCalls, modelCalls, unpricedCalls, cacheHits, studentAnswers } =
    counters;
  return {
    spend: value.spend,
    forecast: value.run === null ? null : value.forecast.cost,
    budget: value.run?.budget ?? null,
    ...{ costUsd, savedUsd, uncertainUsd, uncertainCalls, modelCalls, unpricedCalls, cacheHits, studentAnswers },
  };
});

/** What was spent, on what, within which bound, and what was saved. */
export function CostCard(): JSX.Element | null {
  const value = told.value;
  if (value === null) return null;
  const { budget, costUsd, uncertainUsd, uncertainCalls, savedUsd, cacheHits, studentAnswers } = value;
  return (
    <Card
      title="Cost"
      id="spending"
      aside={budget === null ? "no budget" : `stops itself at ${money(budget.usd)} per ${budget.per}`}
    >
      <BudgetLine />
      <table class="sums">
        <caption class="unseen">Cost of this execution</caption>
        <tbody>
          {value.spend.map(({ what, tokens, usd }) => (
            <tr key={what}>
              <th scope="row">
                {what}
                {tokens !== null && <span class="dim">, {amount(tokens)} tokens</span>}
              </th>
              <td class="num">{money(usd)}</td>
            </tr>
          ))}
          <tr class="total">
            <th scope="row">
              {count(value.modelCalls)} {value.modelCalls === 1 ? "call" : "calls"}
            </th>
            <td class="num">{money(costUsd)}</td>
          </tr>
          {uncertainCalls > 0 && (
            <tr>
              <th scope="row">Uncertain: {count(uncertainCalls)} ended without an answer after they were sent</th>
              <td class="num">{money(uncertainUsd)}</td>
            </tr>
          )}
          {value.unpricedCalls > 0 && (
            <tr>
              <th scope="row">{count(value.unpricedCalls)} calls of a model without a known price</th>
              <td class="num">?</td>
            </tr>
          )}
          {savedUsd !== null && savedUsd > 0 && (
            <tr class="total">
              <th scope="row">
                Saved
                {cacheHits > 0 && <span class="dim">, {count(cacheHits)} from the cache</span>}
                {studentAnswers > 0 && <span class="dim">, {count(studentAnswers)} by the student</span>}
              </th>
              <td class="num">{money(savedUsd)}</td>
            </tr>
          )}
        </tbody>
      </table>
    </Card>
  );
}

/** Now, the range at the end, and the budget, on one scale. */
function BudgetLine(): JSX.Element | null {
  const { costUsd, forecast, budget } = told.value!;
  const spent = budget?.spentUsd ?? costUsd;
  if (spent === null || (budget === null && forecast === null)) return null;
  const before = budget === null ? 0 : Math.max(0, spent - (costUsd ?? spent));
  const [from, to] = forecast === null ? [spent, spent] : [forecast.fromUsd + before, forecast.toUsd + before];
  const whole = Math.max(budget?.usd ?? 0, to, spent, 0.000_001);
  const at = (usd: number): string => `${((Math.min(usd, whole) / whole) * 100).toFixed(2)}%`;
  const words = [
    before < 0.005 ? `${money(spent)} now` : `${money(spent)} now, ${money(before)} of it by runs before`,
    ...(forecast === null ? [] : [`${moneyRange(from, to)} at the end`]),
    ...(budget === null ? [] : [`budget ${money(budget.usd)}`]),
  ];
  return (
    <div class="budget" role="img" aria-label={words.join(", ")} data-testid="budget">
      <div class="budget-labels">
        <span>{words[0]}</span>
        {budget !== null && <span>{money(budget.usd)}</span>}
      </div>
      <div class="budget-line">
        <span class="likely" style={{ width: at(to) }} />
        <span class="sure" style={{ width: at(from) }} />
        <span class="spent" style={{ width: at(spent) }} />
        {budget !== null && <span class="bound" style={{ insetInlineStart: at(budget.usd) }} />}
      </div>
      {forecast !== null && <div class="budget-labels end">{words[1]}</div>}
    </div>
  );
}
