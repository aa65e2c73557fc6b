import type { RunSnapshot } from "../events.ts";

/** Of what reading the settings of all tenants again changed, that of one, called as if there were no others. */
export function ownChanges<T>(changes: Readonly<Record<string, T>>, tenant: string): Record<string, T> {
  const own = `tenants.${tenant}.`;
  const kept = Object.entries(changes).filter(([name]) => !name.startsWith("tenants.") || name.startsWith(own));
  return Object.fromEntries(
    kept.map(([name, change]) => [name.startsWith(own) ? name.slice(own.length) : name, change]),
  );
}

/** What a tenant may see of its run: nothing of how many calls others have at an endpoint that they share. */
export function ownSnapshot(snapshot: RunSnapshot): RunSnapshot {
  if (snapshot.endpoints.every(({ shared }) => shared === undefined)) return snapshot;
  return { ...snapshot, endpoints: snapshot.endpoints.map(({ shared: _, ...own }) => own) };
}
