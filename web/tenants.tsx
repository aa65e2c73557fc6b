import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { SharedEndpoint, TenantRow, TenantsOverview } from "../src/dashboard/api.ts";
import { Dialog } from "./dialog.tsx";
import { count, DASH, money, percent, rate } from "./format.ts";
import { Icon, Wheel } from "./icon.tsx";
import { Card, Failed, Loading, Pill, Scroll } from "./parts.tsx";
import { useResource } from "./resource.ts";
import { seat, tenantHere, tenantHref } from "./tenant.ts";
import { ThemeButton } from "./theme-button.tsx";

const AGAIN_MS = 2_000;
const turn = signal(0);

/** All tenants: how each is doing, what it costs and what needs somebody; and who has how much of what they share. */
export function TenantsPage(): JSX.Element {
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") turn.value += 1;
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const { data, error, reload } = useResource<TenantsOverview>("/tenants", turn);
  useEffect(() => {
    document.title = "Querymill: all tenants";
  }, []);
  return (
    <div class={`whole ${error === null ? "" : "is-old"}`}>
      <header class="bar">
        <p class="job whole-name">
          <Wheel />
          <strong>Querymill</strong>
        </p>
        <ThemeButton />
      </header>
      <main id="main" class="main" aria-labelledby="view-title">
        {data === null ? (
          <h1 class="unseen" id="view-title">
            All tenants
          </h1>
        ) : (
          <Head rows={data.tenants} />
        )}
        {error !== null && <Failed what="The tenants" why={error} again={reload} />}
        {data === null && error === null && <Loading rows={6} what="the tenants" />}
        {data !== null && (
          <>
            <Rows rows={data.tenants} />
            {data.shared.map((one) => (
              <Shared key={`${one.endpoint} ${one.model}`} shared={one} />
            ))}
          </>
        )}
      </main>
    </div>
  );
}

function Head({ rows }: { rows: readonly TenantRow[] }): JSX.Element {
  const levels = new Set(rows.flatMap(({ level, needs }) => [level, needs?.level]));
  const worst = levels.has("bad") ? "bad" : levels.has("warn") ? "warn" : "ok";
  const needy = rows.filter(({ needs, level }) => needs !== null || level === "bad");
  const speed = rows.reduce((sum, { itemsPerSecond }) => sum + (itemsPerSecond ?? 0), 0);
  const month = sumOf(rows.map(({ monthUsd }) => monthUsd));
  const left = sumOf(rows.filter(({ itemsPerSecond }) => itemsPerSecond !== null).map((row) => row.left));
  return (
    <div class="verdict" data-testid="verdict">
      <span class={`mark ${worst}`}>
        <Icon name={worst} />
      </span>
      <div class="verdict-words">
        <h1 id="view-title" tabIndex={-1}>
          {needy.length === 0
            ? `${count(rows.length)} tenants, none needs you`
            : `${count(needy.length)} of ${count(rows.length)} tenants ${needy.length === 1 ? "needs" : "need"} you`}
        </h1>
        <p>
          <span class="num">{rate(speed)}</span> items/s together, <span class="num">{count(left)}</span> left,{" "}
          <span class="num">{money(month)}</span> this month
        </p>
      </div>
    </div>
  );
}

const sumOf = (values: readonly (number | null)[]): number | null =>
  values.reduce<number | null>((sum, value) => (sum === null || value === null ? null : sum + value), 0);

function Rows({ rows }: { rows: readonly TenantRow[] }): JSX.Element {
  return (
    <Card title="Tenants" id="tenants">
      <Scroll label="Table of tenants">
        <table class="data tenants">
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              <th scope="col">State</th>
              <th scope="col" class="right">
                Done
              </th>
              <th scope="col" class="right">
                Left
              </th>
              <th scope="col" class="right">
                Items/s
              </th>
              <th scope="col" class="right">
                This month
              </th>
              <th scope="col" class="right">
                Budget
              </th>
              <th scope="col">Needs somebody</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.name} row={row} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  );
}

function Row({ row }: { row: TenantRow }): JSX.Element {
  const { name, state, level, title, detail, open, done, left, itemsPerSecond, monthUsd, budget, needs, workers } = row;
  return (
    <tr data-testid={`tenant-${name}`}>
      <th scope="row">
        {open ? <a href={tenantHref(name)}>{name}</a> : name}
        {workers !== null && (
          <small>
            {count(workers)} {workers === 1 ? "worker" : "workers"}
          </small>
        )}
      </th>
      <td class="tenant-state" data-name="State">
        <Pill level={level}>{state}</Pill>
        <small>{level === "bad" || level === "warn" ? detail || title : title}</small>
      </td>
      <td class="num right" data-name="Done">
        {count(done)}
      </td>
      <td class="num right" data-name="Left">
        {count(left)}
      </td>
      <td class="num right" data-name="Items/s">
        {itemsPerSecond === null ? DASH : rate(itemsPerSecond)}
      </td>
      <td class="num right" data-name="This month">
        {money(monthUsd)}
      </td>
      <td class="num right" data-name="Budget">
        {budget === null ? (
          <span class="dim">none</span>
        ) : (
          `${percent(budget.spentUsd, budget.usd)} of ${money(budget.usd)}`
        )}
      </td>
      <td class="tenant-needs" data-name="Needs somebody">
        {needs === null ? (
          <span class="dim">nothing</span>
        ) : (
          <>
            <Pill level={needs.level}>{count(needs.count)}</Pill> {needs.title}
          </>
        )}
      </td>
    </tr>
  );
}

function Shared({ shared }: { shared: SharedEndpoint }): JSX.Element {
  const { endpoint, model, tenants } = shared;
  const calls = tenants.reduce((sum, { callsPerSecond }) => sum + callsPerSecond, 0);
  const weights = tenants.reduce((sum, { weight }) => sum + weight, 0);
  return (
    <Card
      title={`Shared endpoint ${endpoint}`}
      id={`shared-${endpoint}`}
      aside={`${model}; weights count while calls are scarce`}
    >
      <Scroll label={`Who has how much of ${endpoint}`}>
        <table class="data">
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              <th scope="col" class="right">
                In flight
              </th>
              <th scope="col" class="right">
                Calls/s
              </th>
              <th scope="col">Share of calls</th>
              <th scope="col" class="right">
                By weight
              </th>
            </tr>
          </thead>
          <tbody>
            {tenants.map(({ name, weight, inFlight, callsPerSecond }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="num right">{count(inFlight)}</td>
                <td class="num right">{rate(callsPerSecond)}</td>
                <td>
                  <span class="headroom">
                    <span class="num">{calls === 0 ? DASH : percent(callsPerSecond, calls)}</span>
                    <span class="meter" aria-hidden="true">
                      <span style={{ width: `${calls === 0 ? 0 : (callsPerSecond / calls) * 100}%` }} />
                    </span>
                  </span>
                </td>
                <td class="num right">{percent(weight, weights)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  );
}

/** Links to the pages of all tenants. */
export function TenantsDialog(): JSX.Element {
  const { tenants, tenant } = seat.value ?? { tenants: [], tenant: null };
  return (
    <Dialog title="Tenants">
      <ul class="tenant-links">
        {tenant === null && (
          <li>
            <a class="view-link" href="/">
              All tenants
            </a>
          </li>
        )}
        {(tenants ?? []).map((name) => (
          <li key={name}>
            <a
              class={`view-link ${name === tenantHere ? "present" : ""}`}
              href={tenantHref(name)}
              aria-current={name === tenantHere ? "page" : undefined}
            >
              {name}
            </a>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
