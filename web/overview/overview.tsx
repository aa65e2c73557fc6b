import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { Empty, Filling, Loading } from "../parts.tsx";
import { me, overview } from "../state.ts";
import { CostCard } from "./cost.tsx";
import { RateCard } from "./curves.tsx";
import { EndpointsCard } from "./endpoints.tsx";
import { ErrorsCard } from "./errors.tsx";
import { Figures } from "./figures.tsx";
import { FleetCard } from "./fleet.tsx";
import { LabelsCard } from "./labels.tsx";
import { NeedsCard } from "./needs.tsx";
import { SumCard } from "./sum.tsx";
import { Verdict } from "./verdict.tsx";
import { WaitingCard } from "./waiting.tsx";

/** Is it healthy, what is it doing, when will it end and what will it cost, what needs me, what are customers saying. */
export function OverviewView(): JSX.Element {
  const isKnown = useComputed(() => overview.value !== null);
  const isWorking = useComputed(() => (overview.value?.run ?? null) !== null);
  const hasFleet = useComputed(() => me.value?.fleet === true);
  if (!isKnown.value)
    return (
      <>
        <h1 class="unseen" id="view-title">
          Overview
        </h1>
        <Loading rows={10} what="the overview" />
      </>
    );
  return (
    <>
      <Verdict />
      <Figures />
      <SumCard />
      <div class="two">
        <div class="two-main">
          {hasFleet.value && <FleetCard />}
          {isWorking.value ? (
            <>
              <RateCard />
              <EndpointsCard />
              <ErrorsCard />
            </>
          ) : (
            <NobodyWorks />
          )}
          <LabelsCard />
        </div>
        <div class="two-side">
          <NeedsCard />
          <CostCard />
          <WaitingCard />
        </div>
      </div>
    </>
  );
}

function NobodyWorks(): JSX.Element {
  const end = overview.value?.lastEnd ?? null;
  return (
    <section class="card">
      <Empty title={end === null ? "Nothing has run yet" : "Nobody works on this job now"}>
        {end?.message && <>{end.message} </>}
        <Filling>rate, latency and endpoints are drawn here.</Filling>
      </Empty>
    </section>
  );
}
