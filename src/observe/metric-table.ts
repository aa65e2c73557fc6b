/** One figure: how it is called, counted and cut up. */
export interface MetricDefinition {
  /** By the conventions of OpenTelemetry: dots, without unit and `total`. */
  readonly name: string;
  /** `counter` only grows; `gauge` is looked at when it is asked for. */
  readonly kind: "counter" | "histogram" | "gauge";
  /** UCUM: `s`, `By`, `1` for a share, `{item}` for things that are counted. */
  readonly unit: string;
  /** One sentence without a full stop. */
  readonly help: string;
  /** Attributes beside `querymill.job` (and `querymill.tenant` where there are tenants), each with few values: never an id, a message or a customer's text. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

/** From 5 ms to 10 min: an item may wait for retries. */
const ITEM_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** A write of up to 500 records, from 1 ms to the time after which a store is given up. */
const WRITE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600];

const counter = (name: string, unit: string, help: string, labels: readonly string[] = []) =>
  ({ name, kind: "counter", unit, help, labels }) as const;
const gauge = (name: string, unit: string, help: string, labels: readonly string[] = []) =>
  ({ name, kind: "gauge", unit, help, labels }) as const;

/** Counted as it happens. Of the calls, the durations and sizes are in `genai-conventions.ts`. */
export const COUNTED = {
  items: counter("querymill.items", "{item}", "Items that were settled", ["outcome", "reason", "decided_by"]),
  itemDuration: {
    name: "querymill.item.duration",
    kind: "histogram",
    unit: "s",
    help: "From an item's first slot until its outcome is in the journal, waits and retries included",
    labels: ["outcome"],
    buckets: ITEM_SECONDS,
  },
  calls: counter("querymill.calls", "{call}", "Model calls that were sent", ["endpoint", "model", "result"]),
  repairs: counter("querymill.repair.calls", "{call}", "Model calls that asked to repair an answer", [
    "endpoint",
    "model",
  ]),
  retries: counter("querymill.retries", "{retry}", "Failed calls after which the item was tried again", [
    "endpoint",
    "failure",
  ]),
  tokens: counter(
    "querymill.tokens",
    "{token}",
    "Tokens that were billed; cached_input and cache_write are parts of input, reasoning of output",
    ["endpoint", "model", "kind"],
  ),
  cost: counter("querymill.cost.usd", "{USD}", "USD of calls with a known price", ["endpoint", "model"]),
  uncertainCost: counter(
    "querymill.uncertain.cost.usd",
    "{USD}",
    "USD that may have been billed for calls whose answer never came",
    ["endpoint", "model"],
  ),
  unpriced: counter("querymill.unpriced.calls", "{call}", "Answered calls of a model without a known price", [
    "endpoint",
    "model",
  ]),
  pauses: counter("querymill.endpoint.pauses", "{pause}", "Times that an endpoint was given a rest", ["endpoint"]),
  limitChanges: counter(
    "querymill.endpoint.limit.changes",
    "{change}",
    "Changes of the calls that an endpoint takes at once",
    ["endpoint", "reason"],
  ),
  storeWaits: counter("querymill.store.waits", "{wait}", "Waits of some seconds for the store that are over"),
  storeWaitTime: counter("querymill.store.wait.time", "s", "Time in waits for the store that are over"),
  storeWrites: {
    name: "querymill.store.write.duration",
    kind: "histogram",
    unit: "s",
    help: "Writing a group of outcomes: records, queues and marks",
    labels: [],
    buckets: WRITE_SECONDS,
  },
  stored: counter("querymill.store.items", "{item}", "Outcomes that the store has"),
  changed: counter("querymill.changed.items", "{item}", "Items whose document changed in flight: they are read again"),
  checkpoints: counter("querymill.checkpoints", "{checkpoint}", "Checkpoints that were saved"),
  executions: counter("querymill.executions", "{execution}", "Executions that ended", ["status", "stop_reason"]),
  grown: counter("querymill.grown.items", "{item}", "Settled items whose text changed: they are classified again", [
    "found_by",
  ]),
  scheduleMissed: counter("querymill.schedule.missed", "{time}", "Scheduled times that passed without a run", [
    "schedule",
    "reason",
  ]),
} as const satisfies Record<string, MetricDefinition>;

/** Looked at when somebody asks. */
export const OBSERVED = {
  state: gauge("querymill.execution.state", "{state}", "1 for the state that the execution is in", ["state"]),
  started: gauge("querymill.execution.start.timestamp", "s", "When the execution began, Unix time"),
  expected: gauge("querymill.items.expected", "{item}", "Items to settle in this execution, where that is known"),
  inFlight: gauge(
    "querymill.items.in_flight",
    "{item}",
    "Items in slots, between two attempts or on their way to the journal",
  ),
  pending: gauge("querymill.items.pending", "{item}", "Items that were read ahead"),
  backoff: gauge("querymill.items.backoff", "{item}", "Items between two attempts, without a slot"),
  retryQueue: gauge("querymill.retry_queue.items", "{item}", "Items in a retry queue", ["queue"]),
  retryDue: gauge(
    "querymill.retry_queue.due.timestamp",
    "s",
    "When the first item of a retry queue is due, Unix time",
    ["queue"],
  ),
  deadLetters: gauge("querymill.dead_letters", "{item}", "Dead letters of the job"),
  jobItems: gauge("querymill.job.items", "{item}", "Distinct items of the job by their present outcome", ["outcome"]),
  labels: gauge("querymill.labels", "{item}", "Items of this execution by their label", ["dimension", "label"]),
  lag: gauge("querymill.lag", "s", "Age of the oldest item that is not settled, where that is known"),
  slotLimit: gauge("querymill.slots.limit", "{call}", "Calls that may be in flight now"),
  slotCeiling: gauge("querymill.slots.ceiling", "{call}", "Calls that may ever be in flight"),
  slotsBusy: gauge("querymill.slots.busy", "{call}", "Calls in flight"),
  utilization: gauge(
    "querymill.slots.utilization",
    "1",
    "Mean share of the slots with a call in flight in this execution",
  ),
  oldestCall: gauge("querymill.oldest_call.age", "s", "Age of the oldest call in flight, 0 when there is none"),
  endpointState: gauge("querymill.endpoint.state", "{state}", "1 for the state that an endpoint is in", [
    "endpoint",
    "model",
    "state",
  ]),
  endpointLimit: gauge("querymill.endpoint.limit", "{call}", "Calls that an endpoint takes at once now", ["endpoint"]),
  endpointInFlight: gauge("querymill.endpoint.in_flight", "{call}", "Calls in flight at an endpoint", ["endpoint"]),
  endpointPause: gauge(
    "querymill.endpoint.pause.remaining",
    "s",
    "How long an endpoint rests yet, 0 when it does not",
    ["endpoint"],
  ),
  rateLimit: gauge(
    "querymill.endpoint.rate_limit",
    "{unit}",
    "What a provider grants an endpoint, where that is known",
    ["endpoint", "limit"],
  ),
  rateRemaining: gauge("querymill.endpoint.rate_limit.remaining", "{unit}", "What is left of a rate limit now", [
    "endpoint",
    "limit",
  ]),
  endpointShare: gauge(
    "querymill.endpoint.share",
    "1",
    "Share of the calls in flight at an endpoint that several tenants of the process ask",
    ["endpoint"],
  ),
  fleetWorkers: gauge("querymill.fleet.workers", "{worker}", "Workers of the job by what they do", ["state"]),
  fleetRanges: gauge(
    "querymill.fleet.ranges",
    "{range}",
    "Ranges of the job by their state; those that are counted are gone",
    ["state"],
  ),
  fleetRate: gauge("querymill.fleet.items_per_second", "{item}", "Items that all workers together settle a second"),
  budget: gauge("querymill.budget.usd", "{USD}", "The budget, where there is one"),
  budgetSpent: gauge(
    "querymill.budget.spent.usd",
    "{USD}",
    "What is spent of the budget; what may have been billed counts",
  ),
  saved: gauge("querymill.saved.usd", "{USD}", "USD that equal texts did not cost in this execution"),
  held: gauge(
    "querymill.calls.held",
    "{state}",
    "1 while no call may go out because the store or the lease is not sure",
  ),
  waiting: gauge("querymill.execution.waiting", "{state}", "1 while the whole execution waits for something"),
  unstored: gauge("querymill.unstored.items", "{item}", "Journaled outcomes that the store does not have yet"),
  journal: gauge("querymill.journal.position", "{record}", "Records of the journal so far"),
  checkpointAt: gauge("querymill.checkpoint.timestamp", "s", "When the last checkpoint was saved, Unix time"),
  lastSuccess: gauge(
    "querymill.last_success.timestamp",
    "s",
    "When an item was last classified in this process, Unix time",
  ),
  scheduleNext: gauge("querymill.schedule.next.timestamp", "s", "When the next scheduled run begins, Unix time", [
    "schedule",
  ]),
} as const satisfies Record<string, MetricDefinition>;

/** Of the process, where it is ours: a program that embeds Querymill watches its own. */
export const PROCESS = {
  memory: gauge("process.memory.usage", "By", "Resident memory"),
  heap: gauge("nodejs.heap.used", "By", "Heap of JavaScript in use"),
  cpu: counter("process.cpu.time", "s", "CPU time of all threads"),
  started: gauge("process.start.timestamp", "s", "When the process began, Unix time"),
  loopDelay: gauge("nodejs.eventloop.delay", "s", "Delay of the event loop since it was last asked", ["percentile"]),
  diskFree: gauge("querymill.state.free", "By", "Free space where the batch directory is"),
  build: gauge("querymill.build.info", "{version}", "1 for the version that runs", ["version", "node"]),
} as const satisfies Record<string, MetricDefinition>;

export type CountedName = keyof typeof COUNTED;
export type ObservedName = keyof typeof OBSERVED;
