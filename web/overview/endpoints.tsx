import type { JSX } from "preact";
import type { EndpointSnapshot } from "../../src/events.ts";
import { clock, count, duration, latency, rate } from "../format.ts";
import { Button, Card, Pill, type PillLevel, Scroll } from "../parts.tsx";
import { blocked, dialog, history, now, overview, part } from "../state.ts";
import { LIMIT_REASONS } from "../words.ts";

const endpoints = part(() => overview.value?.run?.endpoints ?? []);

const STATES: Readonly<Record<EndpointSnapshot["state"], { level: PillLevel; word: string }>> = {
  open: { level: "ok", word: "open" },
  resting: { level: "warn", word: "resting" },
  draining: { level: "idle", word: "draining" },
  out: { level: "bad", word: "out" },
};

const LIMIT_NAMES: Readonly<Record<keyof EndpointSnapshot["limits"], string>> = {
  requestsPerMinute: "calls/min",
  tokensPerMinute: "tokens/min",
  requestsPerDay: "calls/day",
  tokensPerDay: "tokens/day",
};

/** Each endpoint: its state with reason and time, calls, latency and what is left of its limits. */
export function EndpointsCard(): JSX.Element | null {
  // The offline classifier asks nobody.
  if (endpoints.value.length === 0) return null;
  return (
    <Card title="Endpoints" id="endpoints">
      <Scroll label="Table of endpoints">
        <table class="data">
          <thead>
            <tr>
              <th scope="col">Endpoint</th>
              <th scope="col">State</th>
              <th scope="col" class="right">
                In flight
              </th>
              <th scope="col" class="right">
                Calls/s
              </th>
              <th scope="col" class="right">
                p50
              </th>
              <th scope="col" class="right">
                p95
              </th>
              <th scope="col">Headroom</th>
              <th scope="col">Limit so far</th>
              <th scope="col">
                <span class="unseen">Controls</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {endpoints.value.map((endpoint) => (
              <Row key={endpoint.name} endpoint={endpoint} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  );
}

function Row({ endpoint }: { endpoint: EndpointSnapshot }): JSX.Element {
  const { name, model, state, inFlight, limit, callsPerSecond, p50Ms, p95Ms, lastChange } = endpoint;
  return (
    <tr data-testid={`endpoint-${name}`}>
      <th scope="row">
        {name}
        <small class="endpoint-model">{model}</small>
      </th>
      <td class="endpoint-state">
        <Pill level={STATES[state].level}>{STATES[state].word}</Pill>
        <Reason endpoint={endpoint} />
      </td>
      <td class="num right">
        {count(inFlight)} of {count(limit)}
      </td>
      <td class="num right">{rate(callsPerSecond)}</td>
      <td class="num right">{latency(p50Ms)}</td>
      <td class="num right">{latency(p95Ms)}</td>
      <td>
        <Headroom limits={endpoint.limits} />
      </td>
      <td>
        <LimitCurve endpoint={name} limit={limit} />
        {lastChange !== null && (
          <small class="last-change" title={`at ${clock(lastChange.atMs)}`}>
            {lastChange.from} → {lastChange.to}, {LIMIT_REASONS[lastChange.reason]}
          </small>
        )}
      </td>
      <td class="right">
        <EndpointControl name={name} state={state} />
      </td>
    </tr>
  );
}

/** Why it takes no calls now, and until when. */
function Reason({ endpoint }: { endpoint: EndpointSnapshot }): JSX.Element | null {
  const { state, stateReason, pauseReason, pausedUntilMs } = endpoint;
  if (state === "resting" && pausedUntilMs !== null)
    return (
      <small>
        until <span class="num">{clock(pausedUntilMs)}</span>, in{" "}
        <span class="num">{duration(Math.max(0, pausedUntilMs - now.value))}</span>
        {pauseReason !== null && `: ${pauseReason}`}
      </small>
    );
  const reason = stateReason ?? pauseReason;
  return reason === null ? null : <small>{reason}</small>;
}

/** What is left of the limit that is closest to its end. */
function Headroom({ limits }: { limits: EndpointSnapshot["limits"] }): JSX.Element {
  const known = (Object.keys(LIMIT_NAMES) as (keyof typeof limits)[]).flatMap((name) => {
    const one = limits[name];
    return one === null ? [] : [{ name, ...one }];
  });
  const tightest = known.toSorted((a, b) => b.used - a.used)[0];
  if (tightest === undefined) return <span class="dim">not told</span>;
  const left = Math.max(0, Math.round((1 - tightest.used) * 100));
  const all = known.map(({ name, remaining, limit }) => `${count(remaining)} of ${count(limit)} ${LIMIT_NAMES[name]}`);
  return (
    <span class="headroom" title={all.join(", ")}>
      <span class="num">{left} %</span> {LIMIT_NAMES[tightest.name]}
      <span class="meter" aria-hidden="true">
        <span class={left < 10 ? "tight" : ""} style={{ width: `${left}%` }} />
      </span>
    </span>
  );
}

/** How its limit moved since the start, as a line of steps. */
function LimitCurve({ endpoint, limit }: { endpoint: string; limit: number }): JSX.Element {
  const { samples = [], limits = [] } = history.value ?? {};
  const steps = limits.filter((step) => step.endpoint === endpoint);
  const from = Math.min(samples[0]?.atMs ?? now.peek(), steps[0]?.atMs ?? now.peek());
  const width = Math.max(1, (samples.at(-1)?.atMs ?? now.peek()) - from);
  const most = Math.max(1, limit, ...steps.flatMap((step) => [step.from, step.to]));
  const x = (ms: number): string => (Math.min(1, (ms - from) / width) * 96).toFixed(1);
  const y = (calls: number): string => (22 - (calls / most) * 20).toFixed(1);
  const path = steps.map((step) => `H${x(step.atMs)}V${y(step.to)}`).join("");
  return (
    <svg class="steps" viewBox="0 0 96 24" aria-hidden="true" focusable="false">
      <path d={`M0 ${y(steps[0]?.from ?? limit)}${path}H96`} />
    </svg>
  );
}

function EndpointControl({ name, state }: { name: string; state: EndpointSnapshot["state"] }): JSX.Element {
  const resumes = state === "draining" || state === "out";
  const ask = (): void => {
    dialog.value = {
      kind: "ask",
      title: resumes ? `Use ${name} again?` : `Take ${name} out?`,
      text: resumes
        ? `Calls go to ${name} again, at its own price, beginning slowly.`
        : `${name} takes no new calls; those in flight come home. The other endpoints carry its load. Where it is the only one, the run waits.`,
      label: resumes ? "Use it again" : "Take it out",
      verb: resumes ? "endpoint-resume" : "endpoint-drain",
      body: { name },
      danger: false,
    };
  };
  return (
    <Button blocked={blocked.value} onClick={ask}>
      {resumes ? "Use again" : "Take out"}
      <span class="unseen">: {name}</span>
    </Button>
  );
}
