import { risingLabels } from "./scales.ts";
import { plain } from "./words.ts";

/** A filter that one press adds to the query or takes out of it. */
export interface QueryChip {
  readonly text: string;
  readonly field: string;
  readonly value: string;
}

/** Filters that people ask for most: outcomes, what needs a person, and the upper end of each scale. */
export function commonChips(
  dimensions: readonly { readonly id: string; readonly labels: readonly { readonly id: string }[] }[],
): QueryChip[] {
  const ends = dimensions.flatMap(({ id, labels }) => {
    const ids = risingLabels(
      id,
      labels.map((label) => label.id),
    );
    const end = id === "sentiment" ? ids[0] : id === "urgency" ? ids.at(-1) : undefined;
    return end === undefined ? [] : [{ text: plain(end), field: id, value: end }];
  });
  return [
    { text: "needs review", field: "review", value: "yes" },
    ...ends,
    { text: "dead letters", field: "outcome", value: "deadLetter" },
    { text: "retry queued", field: "outcome", value: "retryQueued" },
    { text: "skipped", field: "outcome", value: "skipped" },
    { text: "by a person", field: "decidedBy", value: "person" },
  ];
}
