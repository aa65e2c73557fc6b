import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { FleetDetail } from "../../src/dashboard/api.ts";
import type { WorkerReport } from "../../src/fleet.ts";
import { count, DASH, duration, money, rate } from "../format.ts";
import { Card, Empty, Failed, Loading, Pill, type PillLevel, Scroll } from "../parts.tsx";
import { useResource } from "../resource.ts";
import { itemsHref } from "../route.ts";
import { now } from "../state.ts";

type Range = FleetDetail["ranges"][number];

const AGAIN_MS = 2_000;
const turn = signal(0);
const WORKER_LEVELS: Readonly<Record<WorkerReport["state"], PillLevel>> = {
  starting: "idle",
  idle: "idle",
  running: "ok",
  paused: "warn",
  draining: "warn",
};
const RANGE_LEVELS: Readonly<Record<Range["state"], PillLevel>> = {
  waiting: "idle",
  taken: "ok",
  done: "ok",
  dead: "bad",
};

/** Who works on the job on which machine, and which ranges of the source they have. */
export function FleetCard(): JSX.Element {
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") turn.value += 1;
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const { data, error, reload } = useResource<FleetDetail>("/fleet", turn);
  const workers = data?.workers ?? [];
  const speed = workers.reduce((sum, { itemsPerSecond }) => sum + itemsPerSecond, 0);
  return (
    <Card
      title="Fleet"
      id="fleet"
      aside={`${count(workers.length)} ${workers.length === 1 ? "worker" : "workers"}, ${rate(speed)} items/s`}
    >
      {error !== null && <Failed what="The fleet" why={error} again={reload} />}
      {data === null && error === null && <Loading rows={4} what="the fleet" />}
      {data !== null && (
        <>
          {workers.length === 0 ? (
            <Empty title="Nobody works">
              <code>querymill worker</code> with the same settings, on this machine or another, takes ranges.
            </Empty>
          ) : (
            <Workers workers={workers} />
          )}
          <Ranges detail={data} />
        </>
      )}
    </Card>
  );
}

function Workers({ workers }: { workers: readonly WorkerReport[] }): JSX.Element {
  return (
    <Scroll label="Table of workers">
      <table class="data workers">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">State</th>
            <th scope="col" class="right">
              Ranges
            </th>
            <th scope="col" class="right">
              In flight
            </th>
            <th scope="col" class="right">
              Items/s
            </th>
            <th scope="col" class="right">
              Settled
            </th>
            <th scope="col" class="right">
              Cost
            </th>
            <th scope="col" class="right">
              For
            </th>
          </tr>
        </thead>
        <tbody>
          {workers.map((one) => (
            <tr key={one.name} data-testid="worker">
              <th scope="row">
                <bdi>{one.name}</bdi>
                <small>
                  <bdi>{one.host}</bdi>, process {one.pid}
                  {one.silentMs !== undefined && `, heard ${duration(one.silentMs)} ago`}
                </small>
              </th>
              <td class="endpoint-state">
                <Pill level={WORKER_LEVELS[one.state] ?? "idle"}>{one.state}</Pill>
                {one.trouble !== null && <small>{one.trouble}</small>}
              </td>
              <td class="num right">{count(one.ranges.length)}</td>
              <td class="num right">
                {count(one.inFlight)} of {count(one.limit)}
              </td>
              <td class="num right">{rate(one.itemsPerSecond)}</td>
              <td class="num right">{count(one.settled)}</td>
              <td class="num right">{money(one.costUsd)}</td>
              <td class="num right">{duration(Math.max(0, now.value - one.startedAtMs))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Ranges({ detail: { counts, ranges, complete } }: { detail: FleetDetail }): JSX.Element {
  const dead = ranges.filter(({ state }) => state === "dead").length;
  return (
    <details class="ranges" open={dead > 0} data-testid="ranges">
      <summary>
        Ranges:{" "}
        <span class="num">
          {count(counts?.taken ?? null)} held, {count(counts?.waiting ?? null)} waiting, {count(counts?.done ?? null)}{" "}
          done, {count(counts?.dead ?? null)} dead
        </span>
      </summary>
      {ranges.length === 0 ? (
        <Empty title="None is held" />
      ) : (
        <Scroll label="Table of ranges">
          <table class="data">
            <thead>
              <tr>
                <th scope="col">Range</th>
                <th scope="col">State</th>
                <th scope="col" class="right">
                  Items
                </th>
                <th scope="col">Worker</th>
                <th scope="col" class="right">
                  Taken
                </th>
              </tr>
            </thead>
            <tbody>
              {ranges.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td>
                    <Pill level={RANGE_LEVELS[one.state]}>{one.state === "taken" ? "held" : one.state}</Pill>
                    {one.reason !== null && <small>{one.reason}</small>}
                    {one.state === "dead" && (
                      <small>
                        <a href={itemsHref("outcome:dead failure:poison")}>Its dead letters</a>
                      </small>
                    )}
                  </td>
                  <td class="num right">
                    {count(one.done)} of {count(one.items)}
                  </td>
                  <td>{one.worker === null ? <span class="dim">nobody yet</span> : <bdi>{one.worker}</bdi>}</td>
                  <td class="num right">
                    {one.takenAtMs === null ? DASH : `${duration(Math.max(0, now.value - one.takenAtMs))} ago`}
                    {one.attempts > 1 && <small>{count(one.attempts)} times</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {!complete && <p class="card-note">There are more.</p>}
    </details>
  );
}
