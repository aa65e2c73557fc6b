/** What a path through a list found in its elements. */
export class Gathered {
  readonly values: readonly unknown[];
  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

/** A property of a document that is its own; undefined for anything else. */
export function own(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** @returns the value at a dotted path (`ticket.comments.0.body`); {@link Gathered} behind a list without an index */
export function valueAt(document: unknown, path: string): unknown {
  let value = document;
  const names = path.split(".");
  for (const [at, name] of names.entries()) {
    if (Array.isArray(value) && !/^\d+$/.test(name)) {
      const rest = names.slice(at);
      const values = value.map((one) => rest.reduce((inner: unknown, part) => own(inner, part), one));
      return new Gathered(values.filter((one) => one !== undefined));
    }
    value = own(value, name);
  }
  return value;
}
