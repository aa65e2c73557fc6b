import { batch } from "@preact/signals";
import type { LimitStep, LoggedEvent, Me, Overview, Sample, Seat } from "../src/dashboard/api.ts";
import { addressOf, get, refusalOf, signedIn } from "./client.ts";
import { setZone } from "./format.ts";
import { withSample } from "./samples.ts";
import { freshEvents, history, learnClock, link, me, overview, streams, tick } from "./state.ts";
import { isWhole, placeFor, seat } from "./tenant.ts";

/** Points of the curves that are kept. */
const MOST_SAMPLES = 3_600;
const MOST_STEPS = 500;
const MOST_EVENTS = 500;
/** Without a word for so long the stream counts as lost; the server speaks once a second. */
const SILENCE_MS = 6_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;
/** A page that nobody sees lets go of its stream after this, and looks so often from then on: its title can be seen. */
const HIDDEN_MS = 60_000;

let source: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;
let hide: ReturnType<typeof setTimeout> | undefined;
let waitMs = FIRST_WAIT_MS;
let heardMs = 0;

/** Keeps the state live until the page is closed; asks who we are first. */
export async function stayLive(): Promise<void> {
  setInterval(() => {
    tick();
    if (source !== null && Date.now() - heardMs > SILENCE_MS) lose();
  }, 1_000);
  addEventListener("online", reconnectNow);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hide);
    if (document.visibilityState === "visible") reconnectNow();
    else hide = setTimeout(letGo, HIDDEN_MS);
  });
  await begin();
}

/** Asks who we are and opens the stream; where we are not known the page shows how to sign in. */
export async function begin(): Promise<void> {
  try {
    const found = await get<Seat>("/session");
    const place = placeFor(found);
    if (place !== null) {
      location.replace(place);
      return;
    }
    seat.value = found;
    signedIn.value = true;
    if (isWhole.peek()) return;
    const answer = await get<Me>("/me");
    setZone(answer.timezone);
    me.value = answer;
    await connect();
  } catch {
    if (signedIn.value !== false) lose(null);
  }
}

async function connect(): Promise<void> {
  clearTimeout(retry);
  source?.close();
  heardMs = Date.now();
  const stream = new EventSource(addressOf("/live"));
  source = stream;
  let isFirst = true;
  stream.addEventListener("overview", ({ data }) => {
    if (isFirst) beginStream();
    isFirst = false;
    const told = parsed<Overview>(data);
    learnClock(told.nowMs);
    overview.value = told;
    waitMs = FIRST_WAIT_MS;
    if (link.peek().state !== "live") link.value = { state: "live" };
  });
  stream.addEventListener("sample", ({ data }) => {
    const { samples, limits } = history.peek() ?? { samples: [], limits: [] };
    history.value = { samples: withSample(samples, parsed<Sample>(data), MOST_SAMPLES), limits };
  });
  stream.addEventListener("limit", ({ data }) => {
    const { samples, limits } = history.peek() ?? { samples: [], limits: [] };
    history.value = { samples, limits: [...limits, parsed<LimitStep>(data)].slice(-MOST_STEPS) };
  });
  stream.addEventListener("event", ({ data }) => {
    freshEvents.value = [...freshEvents.peek(), parsed<LoggedEvent>(data)].slice(-MOST_EVENTS);
  });
  stream.onerror = () => {
    if (source !== stream) return;
    lose();
    if (isFirst) void askWhy();
  };
  // What was missed while there was no stream.
  const [first, curves] = await Promise.all([get<Overview>("/overview"), get<typeof history.value>("/history")]);
  learnClock(first.nowMs);
  overview.value = first;
  history.value = curves;
}

/** Another start of the server counts its events anew, so those of the last stream are let go of. */
function beginStream(): void {
  batch(() => {
    freshEvents.value = [];
    streams.value += 1;
  });
}

function parsed<T>(data: string): T {
  heardMs = Date.now();
  return JSON.parse(data) as T;
}

/** A stream that was refused does not say why: somebody else asks for it once more. */
async function askWhy(): Promise<void> {
  const why = await refusalOf("/live");
  const present = link.peek();
  if (present.state === "lost") link.value = { ...present, why };
}

/** The numbers are old from now on; tries again soon, later each time. @param why null: the server says nothing any more */
function lose(why?: null): void {
  source?.close();
  source = null;
  clearTimeout(retry);
  if (signedIn.peek() === false) return;
  const present = link.peek();
  const before = present.state === "lost" ? present : { sinceMs: Date.now(), why: null };
  link.value = { state: "lost", ...before, ...(why === null ? { why } : {}), nextTryMs: Date.now() + waitMs };
  retry = setTimeout(() => void begin(), waitMs);
  waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
}

/** Nobody looks: the server need not tell us everything until somebody does. */
function letGo(): void {
  source?.close();
  source = null;
  clearTimeout(retry);
  link.value = { state: "connecting" };
  void lookHidden();
}

/** Keeps the title right, and the session good. */
async function lookHidden(): Promise<void> {
  hide = setTimeout(() => void lookHidden(), HIDDEN_MS);
  const told = await get<Overview>("/overview").catch(() => null);
  if (told !== null && source === null) overview.value = told;
}

export function reconnectNow(): void {
  if (source !== null || signedIn.peek() === false) return;
  waitMs = FIRST_WAIT_MS;
  clearTimeout(retry);
  void begin();
}
