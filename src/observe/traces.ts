import { type Attributes, context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import type { CallEnded } from "../call-ended.ts";
import type { EventMap } from "../events.ts";
import { callSpanAttributes, callSpanName, errorOf } from "./genai-conventions.ts";
import type { Watched } from "./metrics.ts";

/** Items whose first call is over and whose outcome is not there yet, at most; the oldest is given up then. */
const MOST_OPEN = 20_000;

interface OpenItem {
  readonly span: Span;
  calls: number;
}

/**
 * Makes a trace of a share of the items: a span from its first call to its outcome, and in it one for
 * each call. No text, no message of a server: only ids, classes of failures, counts and costs.
 * @param share of the items, 0..1: those that are left out cost nothing, where a sampler would cost as much as a trace
 * @returns stops that and ends what is open
 */
export function observeTraces(watched: Watched, tracer: Tracer, share = 1): () => void {
  const { events } = watched;
  const { job, tenant } = watched.snapshot();
  const open = new Map<string, OpenItem>();
  const ended = (call: CallEnded): void => {
    if (!isTraced(call.executionId, call.key, share)) return;
    const item = open.get(call.key) ?? begin(call);
    item.calls += 1;
    if (item.span.isRecording()) addCall(tracer, item.span, call);
  };
  const begin = (call: CallEnded): OpenItem => {
    const attributes = {
      "querymill.job": job,
      ...(tenant === "default" ? {} : { "querymill.tenant": tenant }),
      "querymill.execution.id": call.executionId,
      "querymill.item.key": call.key,
    };
    const span = tracer.startSpan("classify item", { root: true, startTime: sentAt(call), attributes });
    const item = { span, calls: 0 };
    open.set(call.key, item);
    if (open.size > MOST_OPEN) giveUp(open.keys().next().value!);
    return item;
  };
  const giveUp = (key: string): void => {
    open.get(key)?.span.end();
    open.delete(key);
  };
  const settled = (settlement: EventMap["item:settled"]): void => {
    const item = open.get(settlement.key);
    if (item === undefined) return;
    open.delete(settlement.key);
    if (item.span.isRecording()) finish(item, settlement);
    item.span.end();
  };
  const over = (): void => {
    for (const key of open.keys()) giveUp(key);
  };
  events.on("call:ended", ended).on("item:settled", settled).on("execution:end", over);
  return () => {
    events.off("call:ended", ended).off("item:settled", settled).off("execution:end", over);
    over();
  };
}

/** The same for each call of an item, and for other items in another execution. */
export function isTraced(executionId: string, key: string, share: number): boolean {
  if (share >= 1) return true;
  // FNV-1a, and a last mix: it is poor in its high bits.
  let hash = 0x811c9dc5;
  for (const text of [executionId, key])
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32 < share;
}

function addCall(tracer: Tracer, parent: Span, call: CallEnded): void {
  const attributes: Attributes = {
    ...callSpanAttributes(call),
    "querymill.attempt": call.attempt,
    ...(call.repair ? { "querymill.repair": true } : {}),
    ...(call.costUsd === null || call.costUsd === 0 ? {} : { "querymill.cost.usd": call.costUsd }),
  };
  const options = { kind: SpanKind.CLIENT, startTime: sentAt(call), attributes };
  const span = tracer.startSpan(callSpanName(call), options, trace.setSpan(context.active(), parent));
  const error = errorOf(call);
  if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  span.end(call.endedAtMs);
}

function finish({ span, calls }: OpenItem, { outcome, reason, decidedBy, costUsd }: EventMap["item:settled"]): void {
  span.setAttributes({
    "querymill.outcome": outcome,
    "querymill.calls": calls,
    ...(reason === null ? {} : { "querymill.reason": reason }),
    ...(decidedBy === null ? {} : { "querymill.decided_by": decidedBy }),
    ...(costUsd === null ? {} : { "querymill.cost.usd": costUsd }),
  });
  if (outcome === "retryQueued" || outcome === "deadLetter")
    span.setStatus({ code: SpanStatusCode.ERROR, message: reason ?? outcome });
}

const sentAt = ({ endedAtMs, durationMs }: CallEnded): number => endedAtMs - (durationMs ?? 0);
