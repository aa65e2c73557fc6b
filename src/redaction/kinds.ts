/** What can be masked before a text is sent, in the order in which overlapping finds win. */
export const REDACTION_KINDS = ["key", "email", "iban", "card", "ssn", "ip", "phone"] as const;
export type RedactionKind = (typeof REDACTION_KINDS)[number];

/** What of a text never leaves this machine. */
export interface RedactionSettings {
  /** In the order of {@link REDACTION_KINDS}; empty: nothing is masked. */
  readonly kinds: readonly RedactionKind[];
  /** Whether a record's own texts get the values back, in the target only. @default false */
  readonly restore: boolean;
  /** Whether the program brings a {@link Redactor} of its own. */
  readonly hooked: boolean;
}
export const NO_REDACTION: RedactionSettings = { kinds: [], restore: false, hooked: false };

/**
 * Takes out of a text what only the program knows: names, addresses. Gets the text after the built-in kinds were masked;
 * has to return the same for the same text. When it throws, or returns no text, the item is not sent.
 */
export type Redactor = (text: string) => string;

/** How many places were masked, by kind: `{ email: 2, card: 1 }`. Never the values. */
export type RedactionCounts = Readonly<Partial<Record<RedactionKind, number>>>;

/** A place in a text, from `start` to before `end`, in UTF-16 units. */
export interface Found {
  readonly kind: RedactionKind;
  readonly start: number;
  readonly end: number;
}
