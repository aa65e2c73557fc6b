import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { closeDialog, Dialog } from "../dialog.tsx";
import { Button } from "../parts.tsx";
import { saveFilter } from "./saved-filters.ts";

/** Asks for the name of a filter. */
export function SaveFilterDialog({ q }: { q: string }): JSX.Element {
  const name = useRef<HTMLInputElement>(null);
  return (
    <Dialog title="Save this filter">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          saveFilter(name.current?.value ?? "", q);
          closeDialog();
        }}
      >
        <p>
          <code>{q}</code>
        </p>
        <label for="filter-name">Name</label>
        <input id="filter-name" ref={name} type="text" maxLength={40} required autocomplete="off" />
        <p class="dim">It is kept in this browser. For others, give them the address of the page.</p>
        <footer>
          <Button onClick={closeDialog}>Leave it</Button>
          <button type="submit" class="button primary" data-testid="save-filter">
            Save
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
