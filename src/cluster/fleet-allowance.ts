import { type EndpointSettings, type JobSettings, shortHash } from "../job.ts";
import { type FullPace, LeasedShare } from "../traffic/leased-share.ts";
import type { SharedEndpoint } from "../traffic/shared-endpoint.ts";
import { BudgetLeases } from "./budget-leases.ts";
import { DayLeases } from "./day-leases.ts";
import { EndpointLeases } from "./endpoint-leases.ts";
import type { LeaseStore } from "./lease-store.ts";
import type { SharedAllowance, SharedBudget, Spender } from "./shared-allowance.ts";

export interface FleetAllowanceOptions {
  /** Where pace is leased: what is in it may be lost. */
  readonly paceStore: LeaseStore;
  /** Where money is leased: the store of the job. May be the same. */
  readonly moneyStore: LeaseStore;
  /** Whose money: tenant and job. */
  readonly job: string;
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  readonly random: () => number;
}

type Budget = NonNullable<JobSettings["budget"]>;

/** One endpoint as all runs of this process use it. */
interface Shared {
  readonly share: LeasedShare;
  readonly members: Set<SharedEndpoint>;
  readonly leases: EndpointLeases;
}

/** What this process leases of the fleet's limits and budget. */
export class FleetAllowance implements SharedAllowance {
  readonly #options: FleetAllowanceOptions;
  readonly #endpoints = new Map<string, Shared>();
  readonly #budgets = new Map<string, BudgetLeases>();

  constructor(options: FleetAllowanceOptions) {
    this.#options = options;
    options.paceStore.onNews = ({ key, ...news }) => {
      for (const member of this.#endpoints.get(key)?.members ?? []) member.hear(news);
    };
  }

  join(endpoint: SharedEndpoint, settings: EndpointSettings): void {
    const key = keyOf(settings);
    const shared = this.#endpoints.get(key) ?? this.#open(key, settings);
    shared.members.add(endpoint);
    endpoint.join(shared.share, () => shared.leases.trouble);
    endpoint.onNews = (news) => {
      // Those of this process are told here, whether or not the store is there.
      for (const member of shared.members) if (member !== endpoint) member.hear(news);
      // While the store is away the others learn it by themselves.
      void this.#options.paceStore.tell({ key, ...news }).catch(() => {});
    };
    endpoint.onLeave = () => {
      shared.members.delete(endpoint);
      endpoint.onNews = () => {};
    };
  }

  budget(budget: Budget, spender: Spender): SharedBudget {
    return this.#leasesOf(budget).join(spender);
  }

  /** What the job has spent is counted at least. @returns true when no call can be paid any more, as {@link BudgetLeases.raise} */
  async raise(budget: Budget, spentUsd: (atMs: number) => number, callUsd: number): Promise<boolean> {
    return await this.#leasesOf(budget).raise(spentUsd, callUsd);
  }

  async close(): Promise<void> {
    const { paceStore, moneyStore } = this.#options;
    await Promise.all([...this.#endpoints.values()].map(({ leases }) => leases.close()));
    await Promise.all([...this.#budgets.values()].map((budget) => budget.close()));
    await paceStore.close();
    if (moneyStore !== paceStore) await moneyStore.close();
  }

  #leasesOf({ usd, per }: Budget): BudgetLeases {
    const { moneyStore, job, now } = this.#options;
    const name = `${per} ${usd}`;
    const found = this.#budgets.get(name) ?? new BudgetLeases({ store: moneyStore, job, usd, per, now });
    this.#budgets.set(name, found);
    return found;
  }

  #open(key: string, { limits }: EndpointSettings): Shared {
    const { paceStore, now, random } = this.#options;
    const members = new Set<SharedEndpoint>();
    const wake = (): void => {
      for (const member of members) member.wake();
    };
    const day = (what: string, limit: number | null): DayLeases | undefined =>
      limit === null
        ? undefined
        : new DayLeases({ store: paceStore, key: `${key}:${what}`, limit, now, onChange: wake });
    const [requests, tokens] = [day("requests", limits.requestsPerDay), day("tokens", limits.tokensPerDay)];
    const share = new LeasedShare(now(), { ...(requests && { requests }), ...(tokens && { tokens }) });
    const pace = (): FullPace => lowest([...members].map((member) => member.pace));
    const leases = new EndpointLeases({
      store: paceStore,
      lease: (part, untilMs) => {
        share.lease(part, untilMs, pace(), now());
        wake();
      },
      lookAtDemand: () => share.look(pace(), now()),
      key,
      limits,
      now,
      random,
    });
    const shared = { share, members, leases };
    this.#endpoints.set(key, shared);
    return shared;
  }
}

/** Where calls go and whose key they carry: endpoints with the same share their limits. Not the key itself. */
function keyOf({ model }: EndpointSettings): string {
  const { provider, baseUrl, name, apiKey } = model;
  return `${provider}:${shortHash([baseUrl, name], 12)}:${shortHash(apiKey ?? "", 12)}`;
}

function lowest(paces: readonly FullPace[]): FullPace {
  const least = (counted: keyof FullPace): number | null => {
    const known = paces.flatMap((pace) => pace[counted] ?? []);
    return known.length === 0 ? null : Math.min(...known);
  };
  return { requests: least("requests"), tokens: least("tokens") };
}
