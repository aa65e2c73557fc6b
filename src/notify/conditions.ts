import type { RunSnapshot } from "../events.ts";
import type { LabelHours } from "./label-hours.ts";
import { labelShift } from "./label-shift.ts";
import type { MinuteCounts } from "./minute-counts.ts";
import type { Finding } from "./problems.ts";
import type { Rules } from "./rule-settings.ts";
import { counted, lasting, momentOf, percent, recently, sentence } from "./words.ts";

/** What the conditions are found out from, at one moment. */
export interface Sight {
  readonly rules: Rules;
  readonly snapshot: RunSnapshot;
  readonly nowMs: number;
  readonly counts: MinuteCounts;
  /** When an item was last settled or the run began; null before that. */
  readonly settledMs: number | null;
  /** Behind a command that is to reach the same job; with a leading blank, or empty. */
  readonly jobFlags: string;
}

const MINUTE_MS = 60_000;
/** A mix counts as near again below this part of the threshold, so that one at the edge is not told again and again. */
const NEAR_AGAIN = 0.75;
/** Chance that one dimension of a steady mix is told in an hour. */
const FALSE_ALARM = 0.001;
const SHOWN_LABELS = 5;
/** How the reason of a wait for the store begins. */
const STORE_AWAY = "the store does not answer";

/** Everything that can be told from a run at one moment. A rule that is off finds nothing. */
export function conditions(sight: Sight): Finding[] {
  return [errorShare, deadLetters, lag, idle, storeAway, endpointsDown].flatMap((condition) => condition(sight));
}

/** True while the run works, and not while it begins, ends, is held up on purpose, or waits for its time. */
function isUnderWay(snapshot: RunSnapshot): boolean {
  const { state, paused } = snapshot;
  return (state === "running" || state === "waiting") && !isBetweenRuns(snapshot) && paused === null;
}

/** Scheduled, and not its time: all else in the snapshot is of the run before. */
export function isBetweenRuns({ waiting }: RunSnapshot): boolean {
  return waiting?.reason === "next scheduled time";
}

/** Nothing may wait for it just now, and then its lease is late. */
export function waitsForStore({ waiting, held }: RunSnapshot): boolean {
  return waiting?.reason.startsWith(STORE_AWAY) === true || held !== null;
}

function errorShare({ rules, counts, snapshot, nowMs, jobFlags }: Sight): Finding[] {
  const rule = rules["error-share"];
  if (rule === null) return [];
  const { classified, retryQueued, deadLetters: dead } = counts.sum(rule.windowMinutes, nowMs);
  const failed = retryQueued + dead;
  const items = classified + failed;
  const share = items === 0 ? 0 : failed / items;
  const window = recently(rule.windowMinutes * MINUTE_MS);
  const kinds = new Map<string, number>();
  for (const { failure, endpoint, count } of snapshot.errors) {
    const kind = endpoint === null ? failure : `${failure} at ${endpoint}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  }
  const common = [...kinds].sort((a, b) => b[1] - a[1]).slice(0, 3);
  return [
    {
      rule: "error-share",
      subject: "error-share",
      holds: items < rule.minItems ? null : share >= rule.share,
      title: `${percent(share)} of the items of the last ${window} failed`,
      details: [
        `${counted(failed, "item")} of ${items.toLocaleString("en-US")} failed; the limit is ${percent(rule.share)}.`,
        ...(common.length === 0
          ? []
          : [`Failed calls of this run: ${common.map(([kind, count]) => `${kind} ${count}×`).join(", ")}.`]),
      ],
      actions: [`querymill status${jobFlags}`],
      figures: { share, failed, items, limit: rule.share },
      recovered: `Only ${percent(share)} of the items of the last ${window} failed`,
    },
  ];
}

function deadLetters({ rules, counts, snapshot, nowMs, jobFlags }: Sight): Finding[] {
  const rule = rules["dead-letters"];
  if (rule === null) return [];
  const count = counts.sum(rule.windowMinutes, nowMs).deadLetters;
  const window = recently(rule.windowMinutes * MINUTE_MS);
  const total = snapshot.jobTotals?.deadLetters ?? null;
  const reasons = Object.entries(snapshot.deadLetterReasons).sort((a, b) => b[1] - a[1]);
  const shown = reasons.slice(0, 3).map(([reason, number]) => `${reason} ${number}×`);
  const words = {
    rule: "dead-letters" as const,
    details: shown.length === 0 ? [] : [`In this run: ${shown.join(", ")}.`],
    actions:
      reasons.length === 0
        ? [`querymill status${jobFlags}`]
        : [`querymill retry --error ${reasons[0]![0]} --dry-run${jobFlags}`],
  };
  const found: Finding[] = [
    {
      ...words,
      subject: "dead-letters",
      holds: count >= rule.count,
      title: `${counted(count, "dead letter")} in the last ${window}`,
      figures: { count, limit: rule.count },
      recovered: `${counted(count, "dead letter")} in the last ${window}, below the limit of ${rule.count} again`,
    },
  ];
  if (rule.total !== null)
    found.push({
      ...words,
      subject: "dead-letters:total",
      holds: total === null ? null : total >= rule.total,
      title: `${counted(total ?? 0, "dead letter")} in all`,
      figures: { total, limit: rule.total },
      recovered: `${counted(total ?? 0, "dead letter")} in all, below the limit of ${rule.total} again`,
    });
  return found;
}

function lag({ rules, snapshot, jobFlags }: Sight): Finding[] {
  const rule = rules.lag;
  const lagMs = snapshot.lag.ms;
  if (rule === null) return [];
  const limitMs = rule.lagMinutes * MINUTE_MS;
  return [
    {
      rule: "lag",
      subject: "lag",
      holds: lagMs === null || !isUnderWay(snapshot) ? null : lagMs >= limitMs,
      title: `The oldest unprocessed item has waited for ${lasting(lagMs ?? 0)}`,
      details: [`The limit is ${lasting(limitMs)}. ${snapshot.itemsPerSecond.toFixed(1)} items a second are settled.`],
      actions: [`querymill status${jobFlags}`],
      figures: { lagMs, limitMs, itemsPerSecond: snapshot.itemsPerSecond },
      recovered:
        lagMs === 0 ? "Caught up: no item waits" : `Caught up: the oldest item has waited for ${lasting(lagMs ?? 0)}`,
    },
  ];
}

function idle({ rules, snapshot, nowMs, settledMs, jobFlags }: Sight): Finding[] {
  const rule = rules.idle;
  if (rule === null) return [];
  const idleMs = settledMs === null ? 0 : nowMs - settledMs;
  const limitMs = rule.idleMinutes * MINUTE_MS;
  const { inFlight, pending } = snapshot.counters;
  const { waiting: free = 0, taken = 0 } = snapshot.fleet?.ranges ?? {};
  const hasWork = inFlight + pending + free + taken > 0 || (snapshot.lag.ms ?? 0) >= limitMs;
  // Their own rules tell what these wait for.
  const isExplained = waitsForStore(snapshot) || allDown(snapshot);
  const waitsFor = snapshot.waiting === null ? [] : [sentence(`It waits: ${snapshot.waiting.reason}`)];
  const holds = idleMs >= limitMs && hasWork;
  return [
    {
      rule: "idle",
      subject: "idle",
      holds: !isUnderWay(snapshot) || (holds && isExplained) ? null : holds,
      title: `Nothing was settled for ${lasting(idleMs)} although there is work`,
      details: [`${counted(inFlight, "item")} in work, ${pending.toLocaleString("en-US")} read ahead.`, ...waitsFor],
      actions: [`querymill status${jobFlags}`],
      figures: { idleMs, limitMs, inFlight, pending },
      recovered: hasWork ? "Items are settled again" : "There is no work left that waits",
    },
  ];
}

function storeAway({ rules, snapshot }: Sight): Finding[] {
  if (rules["store-away"] === null) return [];
  const { state, store, waiting, held } = snapshot;
  const away = state !== "starting" && waitsForStore(snapshot);
  const isBlocked = state === "starting" && waiting !== null;
  const trouble = away ? (waiting?.reason ?? held ?? "").replace(/^the store does not answer(: |$)/, "") : "";
  const untilMs = waiting?.untilMs ?? null;
  const back = isUnderWay(snapshot) ? false : null;
  return [
    {
      rule: "store-away",
      subject: "store-away",
      holds: away ? true : back,
      title: "The store does not answer",
      details: [
        sentence(trouble === "" ? store : `${store}: ${trouble}`),
        "Nothing is lost: answers are in the journal, and the run goes on when the store is back.",
        ...(untilMs === null ? [] : [`The run stops at ${momentOf(untilMs)} unless the store is back by then.`]),
      ],
      actions: [],
      figures: { untilMs },
      recovered: "The store answers again",
    },
    {
      rule: "store-away",
      // Before it has begun it may be the model as well that it waits for.
      subject: "store-away:start",
      holds: isBlocked ? true : back,
      title: "The run cannot begin: what it needs does not answer",
      details: [
        ...(isBlocked ? [sentence(waiting.reason)] : []),
        "It tries again by itself, and nothing is asked or paid meanwhile.",
      ],
      actions: [],
      figures: {},
      recovered: "The run has begun: what it needs answers again",
    },
  ];
}

function endpointsDown({ rules, snapshot }: Sight): Finding[] {
  if (rules["endpoint-down"] === null) return [];
  return snapshot.endpoints.map(({ name, model, state, stateReason, pauseReason, pausedUntilMs }): Finding => {
    const reason = state === "out" ? stateReason : pauseReason;
    const left = snapshot.endpoints.filter((other) => other.state === "open").length;
    return {
      rule: "endpoint-down",
      subject: `endpoint-down:${name}`,
      // Who told it to drain knows that it takes no calls.
      holds: state === "draining" || isBetweenRuns(snapshot) ? null : state !== "open",
      title: `Endpoint ${name} (${model}) ${state === "out" ? "refuses our calls and is left out" : "is down"}`,
      details: [
        ...(reason === null ? [] : [sentence(`Reason: ${reason}`)]),
        left === 0 ? "No endpoint takes calls now." : `Other endpoints that take calls: ${left}.`,
      ],
      actions: [],
      figures: { endpoint: name, state, pausedUntilMs, openEndpoints: left },
      recovered: `Endpoint ${name} (${model}) takes calls again`,
    };
  });
}

/** Whether the labels of the last hours are mixed as in the same hours a week before, by dimension. */
export function labelMix(labels: LabelHours, { rules, nowMs }: Pick<Sight, "rules" | "nowMs">): Finding[] {
  const rule = rules["label-mix"];
  if (rule === null) return [];
  const dimensions = rule.dimensions ?? labels.dimensions();
  return dimensions.flatMap((dimension): Finding[] => {
    const { before, now } = labels.spans(dimension, rule.hours, nowMs);
    const [itemsBefore, items] = [before, now].map((counts) =>
      Object.values(counts).reduce((sum, count) => sum + count, 0),
    ) as [number, number];
    const shift = items < rule.minItems || itemsBefore < rule.minItems ? null : labelShift(before, now);
    if (shift === null) return [];
    const { movedShare, probability } = shift;
    const differs = movedShare >= rule.movedShare && probability < FALSE_ALARM / dimensions.length;
    const moved = shift.labels.filter((label) => Math.abs(label.now - label.before) >= 0.01).slice(0, SHOWN_LABELS);
    const span = recently(rule.hours * 60 * MINUTE_MS);
    return [
      {
        rule: "label-mix",
        subject: `label-mix:${dimension}`,
        holds: differs ? true : movedShare < rule.movedShare * NEAR_AGAIN ? false : null,
        title: `The mix of ${dimension} in the last ${span} is unlike that of a week before`,
        details: [
          `${percent(movedShare)} of the items moved between labels; the limit is ${percent(rule.movedShare)}.`,
          ...moved.map((label) => `${label.label}: ${percent(label.before)} before, ${percent(label.now)} now`),
          `Compared: ${counted(items, "item")} with ${itemsBefore.toLocaleString("en-US")} in the same hours a week before.`,
        ],
        actions: [],
        figures: { dimension, movedShare, probability, items, itemsBefore },
        recovered: `The mix of ${dimension} in the last ${span} is near last week's again`,
      },
    ];
  });
}

/** True when no endpoint takes calls. */
export function allDown({ endpoints }: RunSnapshot): boolean {
  return endpoints.length > 0 && endpoints.every(({ state }) => state !== "open");
}
