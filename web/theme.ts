import { signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
const PLACE = "querymill-theme";

export const theme = signal<Theme>(remembered());

/** Uses the theme that was chosen here before. */
export function useRememberedTheme(): void {
  show(theme.peek());
}

export function choose(next: Theme): void {
  show(next);
  theme.value = next;
  try {
    localStorage.setItem(PLACE, next);
  } catch {
    // Without storage the choice holds until the page is closed.
  }
}

export function nextTheme(): Theme {
  return THEMES[(THEMES.indexOf(theme.peek()) + 1) % THEMES.length]!;
}

function show(one: Theme): void {
  if (one === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = one;
}

function remembered(): Theme {
  try {
    return THEMES.find((one) => one === localStorage.getItem(PLACE)) ?? "system";
  } catch {
    return "system";
  }
}
