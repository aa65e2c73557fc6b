import { computed, signal } from "@preact/signals";
import type { Seat } from "../src/dashboard/api.ts";

/** The tenant of this page, by its address `/t/NAME/`; null: one job, or all tenants. */
export const tenantHere: string | null = /^\/t\/([a-z0-9_-]+)\//.exec(location.pathname)?.[1] ?? null;

/** Who asks and what there is to be seen; null until it was asked. */
export const seat = signal<Seat | null>(null);

/** Whether this page is the one of all tenants. */
export const isWhole = computed(() => tenantHere === null && (seat.value?.tenants ?? null) !== null);

export const tenantHref = (name: string): string => `/t/${name}/`;

/** Where this page should be instead; null: it is right here. */
export function placeFor({ tenants, tenant }: Seat): string | null {
  if (tenantHere === null) return tenants !== null && tenant !== null ? tenantHref(tenant) : null;
  return tenants?.includes(tenantHere) === true ? null : "/";
}
