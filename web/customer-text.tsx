import type { JSX } from "preact";
import { piecesOf } from "./unseen.ts";

/** Text of a customer, only ever as text; what cannot be seen in it is a small box with its code point. */
export function CustomerText({ text }: { text: string }): JSX.Element {
  return (
    <bdi class="customer">
      {piecesOf(text).map((piece, at) =>
        typeof piece === "string" ? (
          piece
        ) : (
          <span class="unseen-mark" key={at} title={piece.name ?? "character that cannot be seen"}>
            {piece.code}
          </span>
        ),
      )}
    </bdi>
  );
}
