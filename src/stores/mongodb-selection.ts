import type { Document } from "mongodb";
import type { RecordCondition, RecordSelection } from "../selection.ts";

const OPERATORS = { "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte" } as const;

/**
 * A selection in MongoDB's form, without its keys; null when it selects all.
 * @param bounded the time is taken care of by the walk along the index
 */
export function filterOfSelection({ conditions, fromMs, toMs }: RecordSelection, bounded: boolean): Document | null {
  const parts = conditions.map(filterOf);
  if (!bounded && (fromMs !== null || toMs !== null))
    parts.push({
      classifiedAt: {
        ...(fromMs === null ? {} : { $gte: new Date(fromMs) }),
        ...(toMs === null ? {} : { $lt: new Date(toMs) }),
      },
    });
  return parts.length === 0 ? null : { $and: parts };
}

function filterOf({ field, is, values, not }: RecordCondition): Document {
  const met =
    is === "in" ? { [field]: { $in: values } } : { $or: values.map((value) => ({ [field]: one(is, value) })) };
  return not ? { $nor: [met] } : met;
}

function one(is: Exclude<RecordCondition["is"], "in">, value: unknown): Document {
  if (is === "begins") return { $gte: value, $lt: `${String(value)}\u{10ffff}` };
  if (is === "contains") return { $regex: String(value).replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), $options: "i" };
  return { [OPERATORS[is]]: value };
}
