import type { JSX } from "preact";
import type { RunComparison } from "../../src/dashboard/api.ts";
import { withQuery } from "../client.ts";
import { count, money, percent } from "../format.ts";
import { Label } from "../label.tsx";
import { Card, Empty, Failed, Loading, Scroll } from "../parts.tsx";
import { useResource } from "../resource.ts";
import { hrefOf } from "../route.ts";
import { plain } from "../words.ts";

/** Two executions side by side: where they agree, what they cost, which items changed. */
export function Comparison({ a, b }: { a: string; b: string }): JSX.Element {
  const { data, error, reload } = useResource<RunComparison>(withQuery("/runs/compare", { a, b }));
  return (
    <Card
      title={`${a} against ${b}`}
      id="comparison"
      aside={data !== null && !data.complete ? "only a part was compared" : undefined}
    >
      {error !== null && <Failed what="The comparison" why={error} again={reload} />}
      {data === null && error === null && <Loading rows={6} what="the comparison" />}
      {data !== null && data.both === 0 && (
        <Empty title="No item was classified by both">There is nothing to compare.</Empty>
      )}
      {data !== null && data.both > 0 && <Compared data={data} />}
    </Card>
  );
}

function Compared({ data }: { data: RunComparison }): JSX.Element {
  const { both, dimensions, cost, changed } = data;
  return (
    <>
      <dl class="comparison">
        <div>
          <dt>Classified by both</dt>
          <dd class="num">{count(both)}</dd>
        </div>
        {dimensions.map(({ id, agree, compared }) => (
          <div key={id}>
            <dt>Same {plain(id)}</dt>
            <dd class="num">{compared === 0 ? "–" : percent(agree, compared)}</dd>
          </div>
        ))}
        <div>
          <dt>Cost</dt>
          <dd class="num">
            {money(cost.a)} → {money(cost.b)}
          </dd>
        </div>
      </dl>
      {changed.length === 0 ? (
        <Empty title="They agree on every item" />
      ) : (
        <Scroll label="Items that changed">
          <table class="data">
            <caption class="unseen">Items that changed</caption>
            <thead>
              <tr>
                <th scope="col">Item</th>
                <th scope="col">In</th>
                <th scope="col">{data.a}</th>
                <th scope="col">{data.b}</th>
              </tr>
            </thead>
            <tbody>
              {changed.map((one) => (
                <tr key={`${one.key} ${one.dimension}`}>
                  <th scope="row">
                    <a href={hrefOf("items", one.key)}>{one.id}</a>
                  </th>
                  <td>{plain(one.dimension)}</td>
                  <td>
                    <Label dimension={one.dimension} label={one.a} />
                  </td>
                  <td>
                    <Label dimension={one.dimension} label={one.b} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </>
  );
}
