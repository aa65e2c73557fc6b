import { decimal, integer, text } from "./option.ts";

const PATH = /^(?!_id$)(?![.$])[^$\0\s]{1,500}(?<!\.)$/;

/** Settings of conversations that grow: part of the table in `schema.ts`. */
export const GROWING_OPTIONS = {
  "source.updatedAt": text({
    help: "path to when a document was last changed: a date, ISO text, or seconds or milliseconds since 1970",
    expected: "a path such as updatedAt or meta.changed",
    pattern: PATH,
    default: null,
  }),
  "source.quietFor": integer({
    help: "an item is read only after so much silence, by source.updatedAt, else by the time in its ObjectId",
    min: 0,
    max: 30 * 86_400,
    unit: "s",
    default: 0,
  }),
  "source.sweepEvery": decimal({
    help: "with reclassify: changed, all settled items are compared with their records so often; default: never",
    above: 0,
    max: 8_760,
    unit: "hours",
    default: null,
  }),
} as const;
