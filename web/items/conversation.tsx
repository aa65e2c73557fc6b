import type { JSX } from "preact";
import type { ItemDetail } from "../../src/dashboard/api.ts";
import { CustomerText } from "../customer-text.tsx";
import { moment } from "../format.ts";
import { now } from "../state.ts";

/** Who wrote from our side; anybody else is the customer. */
const OURS = /agent|support|assistant|operator|staff|bot|system/i;

/** What was written, in order; and what the model was asked where that is another text. */
export function Conversation({ item }: { item: Pick<ItemDetail, "conversation" | "asked"> }): JSX.Element {
  const { conversation, asked } = item;
  return (
    <>
      {conversation === null ? (
        <p class="dim">The source does not have this conversation any more.</p>
      ) : (
        <ol class="conversation" data-testid="conversation">
          {conversation.map(({ who, atMs, text }, at) => (
            <li key={at} class={OURS.test(who) ? "ours" : "theirs"}>
              <p class="who">
                <CustomerText text={who} />
                {atMs !== null && <span class="num"> · {moment(atMs, now.peek())}</span>}
              </p>
              <p class="said" dir="auto">
                <CustomerText text={text} />
              </p>
            </li>
          ))}
        </ol>
      )}
      {asked !== null && (
        <details class="asked">
          <summary>As the model saw it</summary>
          <p class="said" dir="auto">
            <CustomerText text={asked} />
          </p>
        </details>
      )}
    </>
  );
}
