import type { Done } from "../src/dashboard/api.ts";
import { post, sayError } from "./client.ts";
import { doneWords } from "./done-words.ts";
import { say } from "./state.ts";

/** Tells the run to do something and says what came of it. @returns whether it was done */
export async function control(verb: string, body: Readonly<Record<string, unknown>>): Promise<boolean> {
  try {
    say("ok", doneWords(await post<Done>(`/control/${verb}`, body)));
    return true;
  } catch (error) {
    say("bad", `Nothing was changed: ${sayError(error)}`);
    return false;
  }
}
