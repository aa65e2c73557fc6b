/** A rough size in bytes of a value of a document in memory; parts deeper than `depth` count as small. */
export function approximateBytes(value: unknown, depth = 4): number {
  if (typeof value === "string") return value.length * 2;
  if (typeof value !== "object" || value === null || depth === 0) return 8;
  let bytes = 16;
  for (const part of Object.values(value)) bytes += approximateBytes(part, depth - 1);
  return bytes;
}
