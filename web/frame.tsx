import type { JSX } from "preact";
import { clock, count, duration } from "./format.ts";
import { Icon, type IconName, Wheel } from "./icon.tsx";
import { findSearch } from "./keys.ts";
import { reconnectNow } from "./live.ts";
import { Button, Key } from "./parts.tsx";
import { hrefOf, route, type View } from "./route.ts";
import { dialog, link, me, now, overview, part, run, toasts, unsay } from "./state.ts";
import { seat, tenantHere } from "./tenant.ts";
import { ThemeButton } from "./theme-button.tsx";

const NAMES: Readonly<Record<View, { readonly long: string; readonly short: string }>> = {
  overview: { long: "Overview", short: "Overview" },
  items: { long: "Items", short: "Items" },
  queues: { long: "Failures", short: "Failures" },
  review: { long: "Review", short: "Review" },
  insights: { long: "Insights", short: "Insights" },
  runs: { long: "Runs & schedules", short: "Runs" },
  activity: { long: "Activity", short: "Activity" },
};
/** What stands in the bar at the bottom of a narrow page; the others are behind "More". */
const ON_NARROW: readonly View[] = ["overview", "items", "queues", "review"];

const waitingCounts = part((): Partial<Record<View, number>> => {
  const told = overview.value;
  const dead = told?.totals?.deadLetters ?? 0;
  return { review: told?.toReview ?? 0, queues: dead };
});

/** Links to all views: at the left, and on a narrow page at the bottom. */
export function Rail(): JSX.Element {
  const { view } = route.value;
  const inMore = !ON_NARROW.includes(view);
  return (
    <nav class="rail" aria-label="Views">
      <div class="brand">
        <Wheel />
        Querymill
      </div>
      <ul>
        {(Object.keys(NAMES) as View[]).map((one) => (
          <li key={one} class={ON_NARROW.includes(one) ? "" : "wide-only"}>
            <ViewLink view={one} present={one === view} />
          </li>
        ))}
        <li class="narrow-only">
          <button
            type="button"
            class={`view-link ${inMore ? "present" : ""}`}
            aria-haspopup="dialog"
            onClick={() => {
              dialog.value = { kind: "more" };
            }}
          >
            <Icon name="more" />
            <span>{inMore ? NAMES[view].short : "More"}</span>
          </button>
        </li>
      </ul>
      <About />
    </nav>
  );
}

export function ViewLink({ view, present }: { view: View; present: boolean }): JSX.Element {
  const waiting = waitingCounts.value[view] ?? 0;
  return (
    <a
      class={`view-link ${present ? "present" : ""}`}
      href={hrefOf(view)}
      aria-current={present ? "page" : undefined}
      onClick={() => {
        dialog.value = null;
      }}
    >
      <Icon name={view satisfies IconName} />
      <span class="long">{NAMES[view].long}</span>
      <span class="short">{NAMES[view].short}</span>
      {waiting > 0 && <span class="waiting num">{waiting >= 1_000 ? "999+" : count(waiting)}</span>}
    </a>
  );
}

/** What is at work here. */
export function About(): JSX.Element | null {
  if (me.value === null) return null;
  const { model, taxonomyVersion, promptVersion, role, version, timezone } = me.value;
  const facts = [
    ["Model", run.value?.model ?? model ?? "–"],
    ["Taxonomy", taxonomyVersion],
    ["Prompt", promptVersion],
    ["Times in", timezone],
    ["Role", role],
    ["Version", version],
    ["Viewers", viewers.value === null ? "–" : count(viewers.value)],
  ] as const;
  return (
    <dl class="about">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={value}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const viewers = part(() => overview.value?.viewers ?? null);
const executionId = part(() => overview.value?.run?.executionId ?? null);

/** The upper edge: which job, whether the numbers are live, search and theme. */
export function Bar(): JSX.Element {
  const job = me.value;
  return (
    <header class="bar">
      <p class="job">
        <strong>{job?.job ?? "…"}</strong>
        {tenantHere !== null && (seat.value?.tenant ?? null) === null && <Switcher />}
        {job !== null && (
          <span class="path">
            {job.source} → {job.target}
            {executionId.value !== null && ` · execution ${executionId.value}`}
          </span>
        )}
      </p>
      <LinkState />
      <Button look="quiet" icon="search" class="find" onClick={findSearch} keyHint="/" label="Find an item">
        <span class="wide-only">Find an item</span>
      </Button>
      <ThemeButton />
      <Button
        look="quiet"
        class="square wide-only"
        label="Keys of this page"
        onClick={() => {
          dialog.value = { kind: "keys" };
        }}
      >
        <Key name="?" />
      </Button>
    </header>
  );
}

/** Leads to another tenant, or to all. */
function Switcher(): JSX.Element {
  return (
    <Button
      look="quiet"
      class="switcher"
      label={`Tenant ${tenantHere}: show another, or all`}
      onClick={() => {
        dialog.value = { kind: "tenants" };
      }}
      testid="switcher"
    >
      Switch tenant
    </Button>
  );
}

function LinkState(): JSX.Element {
  const { state } = link.value;
  return (
    <span class={`live ${state}`} data-testid="link" data-state={state}>
      <span class="dot" aria-hidden="true" />
      <span>{state === "live" ? "Live" : state === "lost" ? "Not live" : "Connecting"}</span>
      {state === "live" && <LiveClock />}
    </span>
  );
}

function LiveClock(): JSX.Element {
  return <span class="num wide-only">{clock(now.value)}</span>;
}

/** Over the view while its numbers are old, or cannot be had at all. */
export function Banner(): JSX.Element | null {
  const told = link.value;
  const trouble = overview.value?.trouble ?? null;
  if (told.state !== "lost" && trouble === null) return null;
  if (told.state !== "lost")
    return (
      <div class="banner warn" role="status" data-testid="trouble">
        <Icon name="warn" />
        <p>{trouble}</p>
      </div>
    );
  return (
    <div class="banner warn" role="alert" data-testid="disconnected">
      <Icon name="lost" />
      <p>
        <strong>{told.why ?? "No connection to the server."}</strong>{" "}
        {overview.value === null
          ? "Nothing was loaded yet."
          : `The numbers are those of ${clock(overview.value.nowMs)}.`}{" "}
        A run goes on without this page. <NextTry />
      </p>
      <Button onClick={reconnectNow}>Try now</Button>
    </div>
  );
}

function NextTry(): JSX.Element | null {
  now.value;
  const told = link.value;
  if (told.state !== "lost" || told.nextTryMs === null) return null;
  return <span aria-hidden="true">Next try in {duration(Math.max(1_000, told.nextTryMs - Date.now()))}.</span>;
}

/** Short messages, read aloud once. */
export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" data-testid="toasts">
      {toasts.value.map((toast) => (
        <div class={`toast ${toast.level}`} key={toast.id}>
          <Icon name={toast.level} />
          <p>{toast.text}</p>
          {toast.action !== null && (
            <Button
              keyHint={toast.action.key}
              onClick={() => {
                unsay(toast.id);
                toast.action?.act();
              }}
            >
              {toast.action.label}
            </Button>
          )}
          <Button look="quiet" icon="close" class="square" label="Close this message" onClick={() => unsay(toast.id)}>
            {null}
          </Button>
        </div>
      ))}
    </div>
  );
}
