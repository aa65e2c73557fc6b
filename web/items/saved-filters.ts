import { signal } from "@preact/signals";

/** A filter under a name of its own, kept in this browser. */
export interface SavedFilter {
  readonly name: string;
  readonly q: string;
}

const MOST = 30;
const LONGEST_NAME = 40;

export const savedFilters = signal<readonly SavedFilter[]>([]);
let place = "";

/** Reads those of a job; another job on the same address has its own. */
export function openSaved(job: string): void {
  const next = `querymill-filters-${job}`;
  if (next === place) return;
  place = next;
  try {
    savedFilters.value = filtersIn(localStorage.getItem(place));
  } catch {
    savedFilters.value = [];
  }
}

/** Keeps a filter; one of the same name is replaced, and of too many the oldest goes. */
export function saveFilter(name: string, q: string): void {
  const named = { name: name.trim().slice(0, LONGEST_NAME), q };
  if (named.name !== "") keep([...savedFilters.peek().filter((one) => one.name !== named.name), named].slice(-MOST));
}

export function forgetFilter(name: string): void {
  keep(savedFilters.peek().filter((one) => one.name !== name));
}

/** What was kept before, as far as it can be understood. */
export function filtersIn(text: string | null): SavedFilter[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found.filter(isFilter).slice(-MOST) : [];
  } catch {
    return [];
  }
}

function isFilter(one: unknown): one is SavedFilter {
  const { name, q } = (one ?? {}) as Partial<SavedFilter>;
  return typeof name === "string" && name !== "" && typeof q === "string" && q !== "";
}

function keep(filters: readonly SavedFilter[]): void {
  savedFilters.value = filters;
  try {
    localStorage.setItem(place, JSON.stringify(filters));
  } catch {
    // Without storage they hold until the page is closed.
  }
}
