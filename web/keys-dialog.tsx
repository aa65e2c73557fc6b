import type { JSX } from "preact";
import { Dialog } from "./dialog.tsx";
import { GO_KEYS } from "./keys.ts";
import { Choice } from "./parts.tsx";
import { choose, THEMES, theme } from "./theme.ts";

const SECTIONS: readonly { readonly title: string; readonly keys: readonly (readonly [string, string])[] }[] = [
  {
    title: "Everywhere",
    keys: [
      ["/", "Find an item"],
      ["?", "These keys"],
      ["Esc", "Close what is open"],
      ...Object.entries(GO_KEYS).map(([key, view]) => [`g ${key}`, `Go to ${view}`] as const),
    ],
  },
  {
    title: "Items",
    keys: [
      ["↓ ↑", "Next and previous item"],
      ["j k", "The same"],
      ["↵", "Open it"],
      ["Esc", "Back to the list"],
    ],
  },
  {
    title: "Review",
    keys: [
      ["1 … 9 a …", "This label, and next"],
      ["↵", "Keep what is chosen, and next"],
      ["[ ]", "First scale: down, up"],
      ["- +", "Second scale: down, up"],
      ["s", "Skip"],
      ["z", "Undo the last decision"],
    ],
  },
];

/** All keys of the page, and the choice of a theme. */
export function KeysDialog(): JSX.Element {
  return (
    <Dialog title="Keys" wide>
      <div class="key-lists">
        {SECTIONS.map(({ title, keys }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(([key, does]) => (
                <div key={key}>
                  <dt>{key.split(" ").map((one) => (one === "…" ? " … " : <kbd key={one}>{one}</kbd>))}</dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <div class="theme-choice">
        <h3>Theme</h3>
        <Choice
          name="theme"
          label="Theme"
          value={theme.value}
          onChange={choose}
          options={THEMES.map((value) => ({ value, text: value }))}
        />
      </div>
    </Dialog>
  );
}
