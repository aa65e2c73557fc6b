import type { Done } from "../src/dashboard/api.ts";
import { post, sayError } from "./client.ts";
import { count, money } from "./format.ts";
import { say } from "./state.ts";

const DONE: Readonly<Record<string, string>> = {
  pause: "Paused: no new calls are made.",
  resume: "Goes on.",
  drain: "Draining: calls in flight come home, then the run ends.",
  stop: "Stopped.",
  reload: "The settings were read again.",
};

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

/** What a verb did, in a sentence. */
function doneWords({ verb, changes, requeued }: Done): string {
  if (requeued !== undefined) {
    const { deadLetters, waiting } = requeued;
    const parts = [
      deadLetters > 0 ? `${count(deadLetters)} dead ${deadLetters === 1 ? "letter" : "letters"}` : "",
      waiting > 0 ? `${count(waiting)} of the retry queues` : "",
    ].filter((part) => part !== "");
    return parts.length === 0 ? "There was nothing to retry any more." : `Due now: ${parts.join(" and ")}.`;
  }
  const changed = Object.entries(changes).map(
    ([name, { from, to }]) => `${name} ${valueWords(name, from)} → ${valueWords(name, to)}`,
  );
  if (changed.length > 0) return `Changed: ${changed.join(", ")}.`;
  return DONE[verb] ?? "Nothing had to be changed.";
}

function valueWords(name: string, value: string | number | null): string {
  if (value === null) return "none";
  return name === "budget" && typeof value === "number" ? money(value) : String(value);
}
