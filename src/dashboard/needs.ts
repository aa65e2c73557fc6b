import type { RunSnapshot } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import type { Cause, Need, NeedAction } from "./api.ts";
import { adviceFor } from "./causes.ts";
import { failedShare, type HealthSight, isHindered, isManyErrors } from "./health-words.ts";
import { count, counted, duration, money, percent, sentence } from "./words.ts";

/** What a person may have to do something about. */
export interface NeedSight extends HealthSight {
  readonly dead: readonly Cause[];
  /** Records to look at; null while not known. */
  readonly toReview: number | null;
}

const MOST_CAUSES = 8;
/** From this share on a budget is told as nearly spent. */
const NEARLY_SPENT = 0.9;

/** What needs a person, worst first. */
export function needsOf(sight: NeedSight): Need[] {
  const { snapshot } = sight;
  const ofRun = snapshot === null || snapshot.state === "ended" ? [] : runNeeds(snapshot);
  const all = [...alone(sight), ...ofRun, ...deadLetters(sight), ...review(sight)];
  const rank = { bad: 0, warn: 1, info: 2 } as const;
  return all.sort((a, b) => rank[a.level] - rank[b.level]);
}

function alone({ status, snapshot }: NeedSight): Need[] {
  if (snapshot !== null || status?.state !== "unclean") return [];
  return [
    {
      id: "unclean",
      level: "bad",
      title: "The last run did not end cleanly",
      detail: `Its process died. ${counted(status.callsUnderWay, "call")} may be paid twice. Start it again with --recover.`,
      count: status.callsUnderWay,
      actions: [open("See what happened", "/runs")],
    },
  ];
}

function runNeeds(snapshot: RunSnapshot): Need[] {
  return [paused, store, held, budget, errors, ...snapshot.endpoints.map((endpoint) => endpointNeed(endpoint))].flatMap(
    (need) => need(snapshot),
  );
}

function paused({ state, paused: pause, nowMs }: RunSnapshot): Need[] {
  if (state !== "paused" || pause === null || pause.holder !== "operator") return [];
  return [
    {
      id: "paused",
      level: "warn",
      title: `Paused ${duration(nowMs - pause.sinceMs)} ago`,
      detail: sentence(
        `${pause.by === null ? "By the program" : `By ${pause.by}`}${pause.reason === null ? "" : `: ${pause.reason}`}`,
      ),
      count: null,
      actions: [control("Resume", "resume", {}, "Calls go out again, and cost money.")],
    },
  ];
}

function store(snapshot: RunSnapshot): Need[] {
  const { waiting, journal, nowMs } = snapshot;
  if (waiting === null || !isHindered(snapshot) || !waiting.reason.startsWith("the store")) return [];
  const until = waiting.untilMs === null ? "" : ` It is given up in ${duration(waiting.untilMs - nowMs)}.`;
  return [
    {
      id: "store",
      level: "bad",
      title: "The store does not answer",
      detail: `${sentence(withoutPassword(waiting.reason))} ${counted(journal.unstored, "answer")} ${journal.unstored === 1 ? "is" : "are"} safe in the journal.${until}`,
      count: journal.unstored,
      actions: [],
    },
  ];
}

function held({ held: reason }: RunSnapshot): Need[] {
  if (reason === null) return [];
  return [
    {
      id: "held",
      level: "warn",
      title: "No call may go out",
      detail: sentence(withoutPassword(reason)),
      count: null,
      actions: [],
    },
  ];
}

function budget({ budget: bound, state }: RunSnapshot): Need[] {
  if (bound === null || bound.usd <= 0 || bound.spentUsd < NEARLY_SPENT * bound.usd) return [];
  const isSpent = bound.spentUsd >= bound.usd;
  const more = roundUp(bound.usd * 1.5);
  return [
    {
      id: "budget",
      level: isSpent ? "bad" : "warn",
      title: isSpent ? "The budget is spent" : `${percent(bound.spentUsd / bound.usd)} of the budget is spent`,
      detail: `${money(bound.spentUsd)} of ${money(bound.usd)} per ${bound.per}. The run stops when it is spent; nothing is lost.`,
      count: null,
      actions:
        state === "draining"
          ? []
          : [
              control(
                `Raise to ${money(more)}`,
                "set",
                { budget: more },
                `At most ${money(more)} per ${bound.per} instead of ${money(bound.usd)}.`,
              ),
            ],
    },
  ];
}

/** Up to two digits that mean something. */
function roundUp(usd: number): number {
  const unit = 10 ** (Math.floor(Math.log10(usd)) - 1);
  return Number((Math.ceil(usd / unit) * unit).toFixed(4));
}

function errors(snapshot: RunSnapshot): Need[] {
  const share = failedShare(snapshot);
  if (!isManyErrors(share)) return [];
  const [top] = [...snapshot.errors].sort((a, b) => b.count - a.count);
  const most = top === undefined ? "" : ` Most often: ${sentence(withoutPassword(top.message))}`;
  return [
    {
      id: "errors",
      level: share >= 0.2 ? "bad" : "warn",
      title: `${percent(share)} of the items of this run failed`,
      detail: `${counted(snapshot.counters.deadLetters, "dead letter")}, ${count(snapshot.counters.retryQueued)} to be tried again.${most}`,
      count: snapshot.counters.deadLetters + snapshot.counters.retryQueued,
      actions: [open("See the causes", "/queues")],
    },
  ];
}

function endpointNeed(endpoint: RunSnapshot["endpoints"][number]): (snapshot: RunSnapshot) => Need[] {
  const { name, state, stateReason, pausedUntilMs, pauseReason } = endpoint;
  return ({ nowMs }) => {
    if (state === "open") return [];
    if (state === "resting") {
      const until = pausedUntilMs === null ? "" : ` It is asked again in ${duration(pausedUntilMs - nowMs)}.`;
      return [
        {
          id: `endpoint:${name}`,
          level: "info",
          title: `Endpoint ${name} rests`,
          detail: `${sentence(withoutPassword(pauseReason ?? "it asked for a rest"))}${until}`,
          count: null,
          actions: [],
        },
      ];
    }
    return [
      {
        id: `endpoint:${name}`,
        level: state === "out" ? "bad" : "warn",
        title: state === "out" ? `Endpoint ${name} is out` : `Endpoint ${name} drains`,
        detail: sentence(withoutPassword(stateReason ?? "it takes no new calls")),
        count: null,
        actions: [
          control(`Ask ${name} again`, "endpoint-resume", { name }, `Calls go to ${name} again, and cost money.`),
        ],
      },
    ];
  };
}

function deadLetters({ dead, snapshot, trouble }: NeedSight): Need[] {
  const canRetry = snapshot !== null && snapshot.state !== "ended" && trouble === null;
  return dead.slice(0, MOST_CAUSES).map((cause) => {
    const { queue, failure, count: items, estimateUsd, message } = cause;
    const { title, advice } = adviceFor(failure);
    const price = estimateUsd === null ? "" : estimateUsd === 0 ? " · for nothing" : ` · about ${money(estimateUsd)}`;
    const cost =
      estimateUsd === null
        ? "What that costs is not known."
        : estimateUsd === 0
          ? "That costs nothing: the answers are there."
          : `That costs about ${money(estimateUsd)}, up to three times as much when calls have to be repeated.`;
    const retry = control(
      `Retry ${count(items)}${price}`,
      "requeue",
      { queue, failure },
      `Try ${counted(items, "item")} again? ${cost}`,
    );
    return {
      id: `dead-letters:${failure}`,
      level: "warn",
      title: `${counted(items, "item")} ${title}`,
      detail: `${advice} Last: ${sentence(withoutPassword(message))}`,
      count: items,
      actions: [...(canRetry ? [retry] : []), open("See them", `/items?q=${encodeURIComponent(`failure:${failure}`)}`)],
    } satisfies Need;
  });
}

function review({ toReview }: NeedSight): Need[] {
  if (toReview === null || toReview === 0) return [];
  const many = toReview >= 1_000 ? "1,000 or more answers" : counted(toReview, "answer");
  return [
    {
      id: "review",
      level: "info",
      title: `${many} to review`,
      detail: "The model was unsure of them. A correction stays, and evaluate --reviewed counts it.",
      count: toReview,
      actions: [open("Review", "/review")],
    },
  ];
}

function open(label: string, to: string): NeedAction {
  return { kind: "open", label, to };
}

function control(label: string, verb: string, body: Readonly<Record<string, unknown>>, confirm: string): NeedAction {
  return { kind: "control", label, verb, body, confirm };
}
