import type { Filter } from "../filter.ts";
import type { SourceOptions } from "../store.ts";

type Stage = Readonly<Record<string, unknown>>;

/**
 * Stages behind `$changeStream`. The server itself leaves out what wakes nobody: updates that touch only our mark's fields
 * or fields that are not read, and documents that do not fit the filter. No text leaves the server, only ids.
 */
export function changesPipeline({ mark, filter, fields }: Pick<SourceOptions, "mark" | "filter" | "fields">): Stage[] {
  const marks = mark === null ? [] : Object.values(mark);
  const read = fields === null ? null : [...new Set([...fields, ...rootsOf(filter)])];
  const fits = filter === null ? {} : insideFullDocument(filter);
  const isRead = (root: unknown): Stage => {
    const own = { $not: [{ $in: [root, marks] }] };
    return read === null ? own : { $and: [own, { $in: [root, read] }] };
  };
  const touches = { $anyElementTrue: [{ $map: { input: TOUCHED, as: "path", in: isRead(rootOf("$$path")) } }] };
  const unmarks = mark === null ? false : unmarking(mark.processed);
  const unmarked = mark === null ? {} : { [`fullDocument.${mark.processed}`]: { $ne: true } };
  return [
    {
      $match: {
        $or: [
          { $and: [{ operationType: "insert" }, unmarked, fits] },
          { $and: [{ operationType: "replace" }, fits] },
          { operationType: "update", $expr: { $or: [touches, unmarks] } },
          { operationType: "invalidate" },
        ],
      },
    },
    {
      $project: {
        operationType: 1,
        "documentKey._id": 1,
        ...(mark === null ? {} : { marked: { $eq: [`$fullDocument.${mark.processed}`, true] }, unmarks }),
      },
    },
  ];
}

/** Dotted paths that an update set, removed or shortened. */
const TOUCHED = {
  $concatArrays: [
    {
      $map: {
        input: { $objectToArray: { $ifNull: ["$updateDescription.updatedFields", {}] } },
        as: "set",
        in: "$$set.k",
      },
    },
    { $ifNull: ["$updateDescription.removedFields", []] },
    {
      $map: {
        input: { $ifNull: ["$updateDescription.truncatedArrays", []] },
        as: "cut",
        in: "$$cut.field",
      },
    },
  ],
};

const rootOf = (path: string): Stage => ({ $arrayElemAt: [{ $split: [path, "."] }, 0] });

function unmarking(processed: string): Stage {
  const set = `$updateDescription.updatedFields.${processed}`;
  return {
    $or: [
      { $in: [{ $literal: processed }, { $ifNull: ["$updateDescription.removedFields", []] }] },
      { $and: [{ $ne: [{ $type: set }, "missing"] }, { $ne: [set, true] }] },
    ],
  };
}

/** Top-level fields that a filter looks at. */
function rootsOf(filter: Filter | null): string[] {
  return Object.entries(filter ?? {}).flatMap(([key, value]) =>
    key.startsWith("$") ? (value as Filter[]).flatMap(rootsOf) : [key.split(".")[0]!],
  );
}

function insideFullDocument(filter: Filter): Filter {
  return Object.fromEntries(
    Object.entries(filter).map(([key, value]) =>
      key.startsWith("$") ? [key, (value as Filter[]).map(insideFullDocument)] : [`fullDocument.${key}`, value],
    ),
  );
}
