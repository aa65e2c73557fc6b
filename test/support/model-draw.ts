/** Deterministic draws: equal seed, item and attempt give equal latency, faults and answers in any order of arrival. */

/** @returns a 32-bit hash of a text and a salt (FNV-1a with a final mix) */
export function hash32(text: string, salt: number): number {
  let h = 0x811c9dc5 ^ Math.imul(salt + 1, 0x01000193);
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

/** @returns uniform in (0, 1) */
export function uniform(text: string, salt: number): number {
  return (hash32(text, salt) + 0.5) / 2 ** 32;
}

/** `fixed:MS`, or `lognormal:MEDIAN:P99` in ms. */
export function makeLatency(form: string): (key: string) => number {
  const [kind, first, second] = form.split(":");
  const median = Number(first);
  if (kind === "fixed" && median >= 0) return () => median;
  const p99 = Number(second);
  if (kind !== "lognormal" || !(median > 0) || !(p99 >= median))
    throw new Error(`latency "${form}" is neither fixed:MS nor lognormal:MEDIAN:P99`);
  const sigma = Math.log(p99 / median) / 2.326;
  return (key) => {
    const normal = Math.sqrt(-2 * Math.log(uniform(key, 11))) * Math.cos(2 * Math.PI * uniform(key, 12));
    return median * Math.exp(sigma * normal);
  };
}

type Schema = Readonly<Record<string, unknown>>;

/** @returns an instance of a JSON schema, drawn by the key */
export function instanceOf(schema: Schema, key: string, name = ""): unknown {
  const at = `${key}/${name}`;
  if (Array.isArray(schema.enum)) {
    const values = schema.enum.filter((value) => value !== null);
    return values[hash32(at, 1) % values.length];
  }
  const type = Array.isArray(schema.type) ? schema.type.find((each) => each !== "null") : schema.type;
  switch (type) {
    case "object": {
      const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
      return Object.fromEntries(properties.map(([id, part]) => [id, instanceOf(part, at, id)]));
    }
    case "array":
      return [instanceOf((schema.items ?? {}) as Schema, at, "0")];
    case "number":
      return Math.round((0.5 + uniform(at, 2) / 2) * 100) / 100;
    case "integer":
      return hash32(at, 3) % 100;
    case "boolean":
      return hash32(at, 4) % 2 === 0;
    default:
      return name === "language" ? "en" : "The customer asks for help.";
  }
}
