import { ModelError } from "../errors.ts";
import type { ModelReply, ModelRequest } from "../llm/provider.ts";
import type { Endpoint, Permit } from "./endpoint.ts";

export interface HedgeOptions {
  /** A call that is not answered after so many ms is made a second time. */
  readonly afterMs: number;
  /** The right to make it elsewhere, or null: then the first one alone is waited for. */
  readonly takeOther: (first: Endpoint) => Permit | null;
  /** The second call goes out: it may be billed as well. */
  readonly onSent: (endpoint: Endpoint) => void;
  /** One of the two was cut off, or broke after it was sent, while the other was answered: perhaps billed. */
  readonly onLost: (endpoint: Endpoint) => void;
}

/**
 * Makes a call, and a second one elsewhere when it takes long; the first answer counts and the other call is cut off
 * ("The Tail at Scale", Dean and Barroso, 2013). Both may be billed.
 * @throws ModelError of the first call when neither was answered
 */
export async function callHedged(
  first: Permit,
  request: ModelRequest,
  signal: AbortSignal,
  { afterMs, takeOther, onSent, onLost }: HedgeOptions,
): Promise<{ readonly reply: ModelReply; readonly endpoint: Endpoint }> {
  const cut = new AbortController();
  const either = AbortSignal.any([signal, cut.signal]);
  const ask = async (permit: Permit) => ({ reply: await permit.call(request, either), endpoint: permit.endpoint });
  const asked = ask(first);
  const late = await outlasts(asked, afterMs);
  const second = late && !signal.aborted ? takeOther(first.endpoint) : null;
  if (second === null) return await asked;
  onSent(second.endpoint);
  const both = [
    { endpoint: first.endpoint, answer: asked },
    { endpoint: second.endpoint, answer: ask(second) },
  ];
  const won = await Promise.any(both.map(({ answer }) => answer)).catch(() => null);
  cut.abort();
  // Whatever became of the other one is known before anything is counted.
  const ends = await Promise.allSettled(both.map(({ answer }) => answer));
  for (const [index, end] of ends.entries()) {
    const { endpoint } = both[index]!;
    const broke = end.status === "rejected" && end.reason instanceof ModelError;
    const perhapsBilled = end.status === "fulfilled" || (broke && end.reason.failure === "unknown-outcome");
    // The failure of the first one is thrown and counted by who hears of it.
    if (endpoint !== won?.endpoint && perhapsBilled && (won !== null || index === 1)) onLost(endpoint);
  }
  return won ?? (await asked);
}

async function outlasts(answer: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), ms);
  answer.then(
    () => resolve(false),
    () => resolve(false),
  );
  return await promise.finally(() => clearTimeout(timer));
}
