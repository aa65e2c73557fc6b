import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { ActivityView } from "./activity.tsx";
import { signedIn } from "./client.ts";
import { Dialogs } from "./dialogs.tsx";
import { percent } from "./format.ts";
import { Banner, Bar, Rail, Toasts } from "./frame.tsx";
import { InsightsView } from "./insights.tsx";
import { ItemsView } from "./items/items.tsx";
import { focusWanted } from "./keys.ts";
import { OverviewView } from "./overview/overview.tsx";
import { Loading } from "./parts.tsx";
import { QueuesView } from "./queues.tsx";
import { ReviewView } from "./review/review.tsx";
import { route, type View } from "./route.ts";
import { RunsView } from "./runs/runs.tsx";
import { SignIn } from "./sign-in-view.tsx";
import { link, me, overview } from "./state.ts";
import { isWhole } from "./tenant.ts";
import { TenantsPage } from "./tenants.tsx";
import { tabTitle } from "./words.ts";

const VIEWS: Readonly<Record<View, () => JSX.Element>> = {
  overview: OverviewView,
  items: ItemsView,
  queues: QueuesView,
  review: ReviewView,
  insights: InsightsView,
  runs: RunsView,
  activity: ActivityView,
};

/** The whole page. */
export function App(): JSX.Element {
  useSignalEffect(() => {
    const { run = null, needs = [] } = overview.value ?? {};
    const done = run === null || run.total === null ? null : run.counters.read - run.counters.inFlight;
    document.title = tabTitle(
      me.value?.job ?? "dashboard",
      done === null ? null : percent(done, run!.total!),
      needs.filter(({ level }) => level !== "info").length,
    );
  });
  if (signedIn.value === false) return <SignIn />;
  if (isWhole.value) return <TenantsPage />;
  return (
    <div class={`app ${link.value.state === "lost" ? "is-old" : ""}`}>
      <button type="button" class="skip" onClick={skip}>
        Skip to content
      </button>
      <Rail />
      <div class="column">
        <Bar />
        <Banner />
        <Main />
        <Toasts />
      </div>
      <Dialogs />
    </div>
  );
}

/** The view that the address asks for; the focus follows when it changes. */
function Main(): JSX.Element {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const { view } = route.value;
  // At once, so that no key goes to the view before.
  useLayoutEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    scrollTo(0, 0);
    if (!focusWanted()) main.current?.focus({ preventScroll: true });
  }, [view]);
  const Shown = VIEWS[view];
  return (
    <main id="main" class={`main view-${view}`} tabIndex={-1} ref={main} aria-labelledby="view-title">
      {me.value === null ? <Loading rows={8} what="the job" /> : <Shown key={view} />}
    </main>
  );
}

function skip(): void {
  document.querySelector<HTMLElement>("#main")?.focus();
}
