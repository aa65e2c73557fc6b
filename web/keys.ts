import { goTo, hrefOf, type View } from "./route.ts";
import { dialog } from "./state.ts";

/** Letters after `g`. */
export const GO_KEYS: Readonly<Record<string, View>> = {
  o: "overview",
  i: "items",
  q: "queues",
  r: "review",
  n: "insights",
  u: "runs",
  a: "activity",
};
const GO_WAIT_MS = 1_500;

/** Keys of a view, tried before those of the page; true: the key was used. */
type Handler = (event: KeyboardEvent) => boolean;
const handlers: Handler[] = [];

/** @returns what takes the handler away again */
export function onKey(handler: Handler): () => void {
  handlers.push(handler);
  return () => {
    handlers.splice(handlers.indexOf(handler), 1);
  };
}

/** Listens for the keys of the page. None works while something is typed, in a dialog, or with Ctrl, Alt or Meta. */
export function listenForKeys(): void {
  let goUntil = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    const going = performance.now() < goUntil;
    goUntil = 0;
    const view = GO_KEYS[event.key];
    if (going && view !== undefined) {
      event.preventDefault();
      goTo(hrefOf(view));
    } else if (event.key === "g") goUntil = performance.now() + GO_WAIT_MS;
    else if (event.key === "?") {
      event.preventDefault();
      dialog.value = { kind: "keys" };
    } else if (event.key === "/") {
      event.preventDefault();
      findSearch();
    } else if (handlers.some((handler) => handler(event))) event.preventDefault();
  });
}

let isSearchWanted = false;

/** Puts the caret into the search of the items, going there first where needed. */
export function findSearch(): void {
  if (focusSearch()) return;
  isSearchWanted = true;
  goTo(hrefOf("items"));
}

/** Puts the caret where somebody wanted it who came to another view. @returns false when that is nowhere in it */
export function focusWanted(): boolean {
  const wanted = isSearchWanted;
  isSearchWanted = false;
  return wanted && focusSearch();
}

function focusSearch(): boolean {
  const box = document.querySelector<HTMLInputElement>("#search");
  box?.focus();
  return box !== null;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
}
