import { type Clocks, onWall } from "../clocks.ts";
import { messageOf } from "../errors.ts";
import type { Events } from "../events.ts";
import { type EndpointSettings, type JobSettings, slotCeiling } from "../job.ts";
import type { ConcurrencyOptions } from "../traffic/concurrency.ts";
import { Endpoint } from "../traffic/endpoint.ts";
import { Gateway } from "../traffic/gateway.ts";
import { ReplaceableProvider } from "../traffic/replaceable-provider.ts";
import type { Adapters } from "./adapters.ts";
import type { Closers } from "./closers.ts";

/** An endpoint that was opened, and why it could not be reached. */
export interface OpenEndpoint {
  readonly settings: EndpointSettings;
  readonly provider: ReplaceableProvider;
  /** null: it answers. */
  readonly trouble: string | null;
}

/** Where `auto` begins. */
const FIRST_LIMIT = 8;
/** How long an endpoint that was away at the start rests before it is looked at again, in ms. */
const FIRST_ABSENCE_MS = 5_000;

/** Opens the providers of all endpoints; nothing is sent. */
export async function openProviders(
  job: JobSettings,
  adapters: Adapters,
  closers: Closers,
): Promise<Omit<OpenEndpoint, "trouble">[]> {
  const opened: Omit<OpenEndpoint, "trouble">[] = [];
  for (const settings of job.endpoints) {
    const provider = new ReplaceableProvider(await adapters.openProvider(settings, mostCalls(settings, job)));
    closers.add(() => provider.close());
    opened.push({ settings, provider });
  }
  return opened;
}

/**
 * Looks which endpoints answer, for nothing. One that is away is no obstacle as long as another is there.
 * @throws QuerymillError MODEL_UNREACHABLE when none is
 */
export async function checkProviders(
  opened: readonly Omit<OpenEndpoint, "trouble">[],
  connectMs: number,
): Promise<OpenEndpoint[]> {
  const errors: unknown[] = [];
  const looked = await Promise.all(
    opened.map(async (one) => {
      try {
        await one.provider.check(AbortSignal.timeout(connectMs * 2));
        return { ...one, trouble: null };
      } catch (error) {
        errors.push(error);
        return { ...one, trouble: messageOf(error) };
      }
    }),
  );
  if (errors.length === opened.length) throw errors[0];
  return looked;
}

/** The way out to the models, with every change of it told as an event. */
export function openGateway(
  opened: readonly OpenEndpoint[],
  settings: JobSettings,
  { pricingOf, pool, allowance }: Adapters,
  { executionId, events, clocks }: { executionId: string; events: Events; clocks: Clocks },
): Gateway {
  const endpoints = opened.map(({ settings: own, provider, trouble }) => {
    const told = { executionId, endpoint: provider.endpoint };
    const endpoint = new Endpoint({
      provider,
      settings: own,
      concurrency: concurrencyOf(own, settings),
      share: settings.share,
      // What works on this machine is nobody's quota.
      ...(pool === null || !provider.remote ? {} : { upstream: pool.upstreamOf(own.model, clocks.steadyNow) }),
      costOf: (usage, model) => pricingOf(own).costOf(usage, model),
      now: clocks.steadyNow,
      random: Math.random,
      onPause: (reason, untilMs) =>
        events.emit("endpoint:pause", { ...told, reason, untilMs: onWall(clocks, untilMs) }),
      onResume: () => events.emit("endpoint:resume", told),
      onLimit: (change) => events.emit("limit:change", { ...told, ...change }),
      onState: (state, reason) => events.emit("endpoint:state", { ...told, state, reason }),
    });
    allowance?.join(endpoint.shared, own);
    if (trouble !== null) endpoint.rest(FIRST_ABSENCE_MS, trouble, true);
    return endpoint;
  });
  return new Gateway({
    endpoints,
    balance: settings.balance,
    ceiling: slotCeiling(settings),
    now: clocks.steadyNow,
    random: Math.random,
  });
}

/** @returns the most calls at once of one endpoint */
export function mostCalls({ concurrent }: EndpointSettings, job: JobSettings): number {
  return Math.min(slotCeiling(job), concurrent ?? Number.POSITIVE_INFINITY);
}

export function concurrencyOf(endpoint: EndpointSettings, settings: JobSettings): ConcurrencyOptions {
  return {
    start: FIRST_LIMIT,
    max: mostCalls(endpoint, settings),
    mode: settings.concurrent === "auto" ? "auto" : "fixed",
  };
}
