import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Wheel } from "./icon.tsx";
import { begin } from "./live.ts";
import { refusal, signIn } from "./sign-in.ts";
import { tokenIn } from "./token.ts";

/** Shown while the server does not know us. */
export function SignIn(): JSX.Element {
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.focus(), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = tokenIn(box.current?.value ?? "");
    if (token === "") return;
    setBusy(true);
    if (await signIn(token)) await begin();
    else box.current?.select();
    setBusy(false);
  };
  return (
    <main class="sign-in" aria-labelledby="view-title">
      <form class="card" onSubmit={submit} data-testid="sign-in">
        <h1 id="view-title">
          <Wheel />
          Querymill
        </h1>
        <p>
          Open the link that <code>querymill dashboard</code> printed, or paste it here. It holds until that process
          ends.
        </p>
        <label for="token">Link or token</label>
        <input
          id="token"
          ref={box}
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={refusal.value !== null}
          aria-describedby={refusal.value === null ? undefined : "token-refused"}
        />
        {refusal.value !== null && (
          <p class="refused" id="token-refused" role="alert">
            {refusal.value}
          </p>
        )}
        <button type="submit" class="button primary" aria-disabled={busy ? "true" : undefined}>
          Open
        </button>
      </form>
    </main>
  );
}
