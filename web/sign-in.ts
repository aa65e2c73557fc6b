import { signal } from "@preact/signals";
import { post, sayError, signedIn } from "./client.ts";
import { goTo } from "./route.ts";
import { tokenOf } from "./token.ts";

/** Why the last token was not taken; null: none was refused. */
export const refusal = signal<string | null>(null);

/** A token in the address is taken out of it at once, before anything else, and exchanged for the cookie. */
export async function exchangeToken(): Promise<void> {
  const token = tokenOf(location.hash);
  if (token === null) return;
  goTo("#/overview", "replace");
  await signIn(token);
}

/** @returns whether the token was taken */
export async function signIn(token: string): Promise<boolean> {
  try {
    await post("/session", { token });
    refusal.value = null;
    signedIn.value = true;
    return true;
  } catch (error) {
    refusal.value = sayError(error);
    signedIn.value = false;
    return false;
  }
}
