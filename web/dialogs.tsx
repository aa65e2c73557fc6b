import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Dialog, Question } from "./dialog.tsx";
import { count, duration, money } from "./format.ts";
import { About, ViewLink } from "./frame.tsx";
import { SaveFilterDialog } from "./items/save-dialog.tsx";
import { KeysDialog } from "./keys-dialog.tsx";
import { route, VIEWS } from "./route.ts";
import { dialog, type OpenDialog, run } from "./state.ts";
import { TenantsDialog } from "./tenants.tsx";
import { TuneDialog } from "./tune-dialog.tsx";

/** The one dialog that is open, if any. */
export function Dialogs(): JSX.Element | null {
  const open = dialog.value;
  if (open === null) return null;
  return <Opened key={open.kind} open={open} />;
}

function Opened({ open }: { open: OpenDialog }): JSX.Element {
  switch (open.kind) {
    case "keys":
      return <KeysDialog />;
    case "tenants":
      return <TenantsDialog />;
    case "more":
      return <MoreDialog />;
    case "tune":
      return <TuneDialog />;
    case "pause":
      return <PauseDialog />;
    case "resume":
      return <ResumeDialog />;
    case "drain":
      return <DrainDialog />;
    case "stop":
      return <StopDialog />;
    case "save-filter":
      return <SaveFilterDialog q={open.q} />;
    case "ask":
      return (
        <Question title={open.title} label={open.label} danger={open.danger} verb={open.verb} body={() => open.body}>
          <p>{open.text}</p>
        </Question>
      );
  }
}

function PauseDialog(): JSX.Element {
  const reason = useRef<HTMLInputElement>(null);
  return (
    <Question
      title="Pause this run?"
      label="Pause"
      verb="pause"
      body={() => (reason.current?.value.trim() ? { reason: reason.current.value.trim() } : {})}
    >
      <p>
        No new calls are made and nothing is read. {inFlightWords()} come home and are stored. It stays paused until
        somebody resumes it.
      </p>
      <label for="reason">Reason, for the others (may be empty)</label>
      <input id="reason" ref={reason} type="text" maxLength={200} autocomplete="off" />
    </Question>
  );
}

function ResumeDialog(): JSX.Element {
  const { paused = null, budget = null } = run.value ?? {};
  return (
    <Question title="Resume this run?" label="Resume" verb="resume" body={() => ({})}>
      <p>
        {paused?.reason ? `It was paused${paused.by ? ` by ${paused.by}` : ""}: “${paused.reason}”. ` : ""}
        Calls go out again, and cost again
        {budget === null ? "; there is no budget." : `, until ${money(budget.usd)} are spent.`}
      </p>
    </Question>
  );
}

function DrainDialog(): JSX.Element {
  const { attemptTimeoutMs = 60_000, total = null, counters } = run.value ?? {};
  const left = total === null || counters === undefined ? null : Math.max(0, total - counters.read);
  return (
    <Question title="Drain and end this run?" label="Drain" verb="drain" body={() => ({})}>
      <p>
        {inFlightWords()} come home first, at most {duration(attemptTimeoutMs)}. Everything answered is stored and
        nothing is paid for twice. Then the process ends
        {left !== null && left > 0 ? `; ${count(left)} are not read yet.` : "."}
      </p>
      <p>The same command goes on where it was.</p>
    </Question>
  );
}

function StopDialog(): JSX.Element {
  return (
    <Question title="Stop this run at once?" label="Stop now" verb="stop" danger body={() => ({ now: true })}>
      <p>
        {inFlightWords()} are cut{perCallWords()}. What is answered is stored. Draining instead pays for nothing twice.
      </p>
      <p>
        It goes on with <code>querymill run --recover</code>.
      </p>
    </Question>
  );
}

function inFlightWords(): string {
  const inFlight = run.value?.slots.busy ?? 0;
  return `${count(inFlight)} ${inFlight === 1 ? "call" : "calls"} in flight`;
}

/** What cut calls may cost again, at the mean price of a call so far. */
function perCallWords(): string {
  const { counters, slots } = run.value ?? {};
  if (counters === undefined || slots === undefined || slots.busy === 0) return "";
  if (counters.costUsd === null || counters.modelCalls === 0) return "; their answers may be paid for again";
  return `; their answers, about ${money((counters.costUsd / counters.modelCalls) * slots.busy)}, may be paid for again`;
}

/** The views that have no place in the bar of a narrow page. */
function MoreDialog(): JSX.Element {
  return (
    <Dialog title="More">
      <nav aria-label="More views">
        <ul class="more-views">
          {VIEWS.map((view) => (
            <li key={view}>
              <ViewLink view={view} present={route.value.view === view} />
            </li>
          ))}
        </ul>
      </nav>
      <About />
    </Dialog>
  );
}
