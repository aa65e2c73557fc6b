/** Counters that processes lease from, in memory, with a clock that is set by hand. */
export function leaseCounters(atMs: number) {
  const counts = new Map<string, number>();
  const store = {
    atMs,
    nowMs: () => store.atMs,
    add: async (key: string, amount: number) => {
      counts.set(key, (counts.get(key) ?? 0) + amount);
      return counts.get(key)!;
    },
  };
  return { counts, store };
}
