import { signal } from "@preact/signals";

export const VIEWS = ["overview", "items", "queues", "review", "insights", "runs", "activity"] as const;
export type View = (typeof VIEWS)[number];

/** What the address asks for: `#/items/KEY?q=…`. */
export interface Route {
  readonly view: View;
  /** What stands behind the view's name, decoded; null when nothing does. */
  readonly rest: string | null;
  readonly query: URLSearchParams;
}

export const route = signal<Route>(routeOf(location.hash));
let shown = location.hash;

/** Follows the address from now on. */
export function followAddress(): void {
  addEventListener("hashchange", () => show(location.hash));
}

/** The address of a view; parameters without a value are left out. */
export function hrefOf(view: View, rest: string | null = null, query: Readonly<Record<string, string>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  const search = given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
  return `#/${view}${rest === null ? "" : `/${encodeURIComponent(rest)}`}${search}`;
}

/** The list of items for a query. */
export function itemsHref(query: string): string {
  return hrefOf("items", null, { q: query });
}

/** The view is another one when this returns: what is typed next is for it. */
export function goTo(href: string, how: "push" | "replace" = "push"): void {
  if (how === "push") location.hash = href;
  else history.replaceState(null, "", href);
  show(location.hash);
}

/** A change of the address that was shown at once is told of once more, later. */
function show(hash: string): void {
  if (hash === shown) return;
  shown = hash;
  route.value = routeOf(hash);
}

function routeOf(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name = "", rest] = path.split(/\/(.*)/s);
  const view = VIEWS.find((one) => one === name) ?? "overview";
  return { view, rest: rest === undefined || rest === "" ? null : decoded(rest), query: new URLSearchParams(search) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
