import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { History, LoggedEvent, Me, Overview } from "../src/dashboard/api.ts";

/** All that the page knows; each part is a signal, so that what shows one part does not redraw for another. */
export const me = signal<Me | null>(null);
export const overview = signal<Overview | null>(null);
export const history = signal<History | null>(null);
/** Events that came since the page was opened, oldest first, at most 500. */
export const freshEvents = signal<readonly LoggedEvent[]>([]);
/** How often the stream was opened: what was told while there was none has to be asked for. */
export const streams = signal(0);

/** How live the numbers are. `sinceMs`: when they were last told; `why`: in the server's words, when it gave any. */
export type Link =
  | { readonly state: "connecting" }
  | { readonly state: "live" }
  | {
      readonly state: "lost";
      readonly sinceMs: number;
      readonly why: string | null;
      readonly nextTryMs: number | null;
    };
export const link = signal<Link>({ state: "connecting" });

/** This moment by the server's clock, moved on once a second. */
export const now = signal(Date.now());
/** How far the server's clock is ahead of this one, ms. */
let ahead = 0;

export function learnClock(serverMs: number): void {
  const told = serverMs - Date.now();
  if (Math.abs(told - ahead) < 1_500) return;
  ahead = told;
  tick();
}

export function tick(): void {
  now.value = Date.now() + ahead;
}

/** A part of the state that changes its identity only when its content changes. */
export function part<T>(read: () => T): ReadonlySignal<T> {
  let last: { readonly value: T; readonly text: string | undefined } | null = null;
  return computed(() => {
    const value = read();
    const text = JSON.stringify(value);
    if (last === null || last.text !== text) last = { value, text };
    return last.value;
  });
}

export const run = computed(() => overview.value?.run ?? null);
const runState = part(() => overview.value?.run?.state ?? null);
const isOperator = computed(() => me.value?.role === "operator");
/** Whether a process can be told what to do now. */
export const isRunning = computed(() => {
  const state = runState.value;
  return state !== null && state !== "ended" && overview.value?.from !== "nobody";
});
/** Why controls cannot be used; null: they can. */
export const blocked = computed(() => {
  if (!isOperator.value) return "You may only read. Open the link of the operator to control the run.";
  if (!isRunning.value && me.value?.fleet === true)
    return "What workers are told goes through the run that shares the job out, and none is on this machine: use its dashboard, or querymill control there.";
  return isRunning.value ? null : "Nobody works on this job now: start querymill run first.";
});
/** Why nothing may be written; null: it may. */
export const readOnly = computed(() =>
  isOperator.value ? null : "You may only read. Open the link of the operator to decide.",
);
/** Labels of each dimension, in the order of the taxonomy. */
export const labelsOf = computed(
  () => new Map((me.value?.dimensions ?? []).map(({ id, labels }) => [id, labels.map((label) => label.id)])),
);

/** One short message at the edge of the page, with at most one thing to do about it. */
export interface Toast {
  readonly id: number;
  readonly level: "ok" | "bad" | "info";
  readonly text: string;
  readonly action: { readonly label: string; readonly key: string | null; readonly act: () => void } | null;
}
export const toasts = signal<readonly Toast[]>([]);
let lastToast = 0;

/** What somebody points at or has the focus in is looked at again after so long, ms. */
const HELD_MS = 2_000;

/**
 * Says something for 6 s, errors and what can be undone for 12 s, and longer while somebody points at it; at most three at
 * once. A key does one thing: what had the same one goes.
 */
export function say(level: Toast["level"], text: string, action: Toast["action"] = null): void {
  const id = ++lastToast;
  if (action !== null && action.key !== null) unsayKey(action.key);
  toasts.value = [...toasts.value.slice(-2), { id, level, text, action }];
  unsayAfter(id, level === "bad" || action !== null ? 12_000 : 6_000);
}

function unsayAfter(id: number, ms: number): void {
  setTimeout(() => {
    if (document.querySelector(".toasts:hover, .toasts:focus-within") === null) unsay(id);
    else unsayAfter(id, HELD_MS);
  }, ms);
}

export function unsay(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Takes back what offers this key: it was pressed. */
export function unsayKey(key: string): void {
  toasts.value = toasts.value.filter((toast) => toast.action?.key !== key);
}

/** The dialog that is open, by name; controls and questions write here, `Dialogs` draws it. */
export type OpenDialog =
  | { readonly kind: "tune" | "pause" | "resume" | "drain" | "stop" | "keys" | "more" | "tenants" }
  | { readonly kind: "save-filter"; readonly q: string }
  | {
      readonly kind: "ask";
      readonly title: string;
      readonly text: string;
      readonly label: string;
      readonly verb: string;
      readonly body: Readonly<Record<string, unknown>>;
      readonly danger: boolean;
    };
export const dialog = signal<OpenDialog | null>(null);
