import type { Done } from "../src/dashboard/api.ts";
import { count, money } from "./format.ts";

const DONE: Readonly<Record<string, string>> = {
  pause: "Paused: no new calls are made.",
  resume: "Goes on.",
  drain: "Draining: calls in flight come home, then the run ends.",
  stop: "Stopped.",
  reload: "The settings were read again.",
};

/** What a verb did, in a sentence. */
export function doneWords({ verb, changes, requeued }: Done): string {
  if (requeued !== undefined) {
    const { deadLetters, waiting } = requeued;
    const parts = [
      deadLetters > 0 ? `${count(deadLetters)} dead ${deadLetters === 1 ? "letter" : "letters"}` : "",
      waiting > 0 ? `${count(waiting)} of the retry queues` : "",
    ].filter((part) => part !== "");
    return parts.length === 0 ? "There was nothing to retry any more." : `Due now: ${parts.join(" and ")}.`;
  }
  // Of these the change has no other words than the verb.
  const said = verb === "reload" || Object.keys(changes).length === 0 ? undefined : DONE[verb];
  if (said !== undefined) return said;
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
