import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { control } from "./control.ts";
import { Button } from "./parts.tsx";
import { dialog, say } from "./state.ts";

/** A native dialog: the rest of the page is out of reach while it is open, and the focus goes back where it was. */
export function Dialog(props: { title: string; children: ComponentChildren; wide?: boolean }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  const own = useRef(dialog.peek());
  useLayoutEffect(() => {
    const element = box.current;
    element?.showModal();
    // What is filled in, or what changes nothing: never what spends or stops.
    element?.querySelector<HTMLElement>("form input, form footer button")?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={box}
      class={props.wide ? "dialog wide" : "dialog"}
      aria-labelledby="dialog-title"
      // It comes later, when the next dialog may be open already.
      onClose={() => dialog.peek() === own.current && closeDialog()}
      onClick={(event) => event.target === box.current && closeDialog()}
      onKeyDown={(event) => event.key === "Escape" && event.stopPropagation()}
    >
      <div class="dialog-body">
        <header>
          <h2 id="dialog-title">{props.title}</h2>
          <Button look="quiet" icon="close" class="square" label="Close" onClick={closeDialog}>
            {null}
          </Button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

export function closeDialog(): void {
  dialog.value = null;
}

/** A dialog that tells the run to do something once it is confirmed. */
export function Question(props: {
  title: string;
  label: string;
  verb: string;
  danger?: boolean;
  /** What goes with the verb. */
  body: () => Readonly<Record<string, unknown>>;
  /** Why it cannot be sent as it is; null: it can. */
  blocked?: string | null;
  children: ComponentChildren;
}): JSX.Element {
  const [busy, setBusy] = useState(false);
  const { blocked = null } = props;
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    if (blocked !== null) {
      say("info", blocked);
      return;
    }
    setBusy(true);
    const done = await control(props.verb, props.body());
    setBusy(false);
    if (done) closeDialog();
  };
  return (
    <Dialog title={props.title}>
      <form onSubmit={send} data-testid="question">
        {props.children}
        <footer>
          <Button onClick={closeDialog}>Leave it as it is</Button>
          <button
            type="submit"
            class={`button ${props.danger ? "danger" : "primary"}`}
            aria-disabled={busy || blocked !== null ? "true" : undefined}
            title={blocked ?? undefined}
            data-testid="confirm"
          >
            {props.label}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
