import { calculateObjectSize } from "bson";
import type { ClassificationRecord } from "../record.ts";

const maxRecordBytes = 15_000_000;

/**
 * Checked before a write, since one document that a database cannot hold makes a whole bulk fail.
 * @returns why the record cannot be stored, without any of its text; null when it can
 */
export function recordProblem(record: ClassificationRecord): string | null {
  try {
    const bytes = calculateObjectSize(record as unknown as Record<string, unknown>);
    if (bytes <= maxRecordBytes) return null;
    return `The record has ${bytes.toLocaleString("en-US")} bytes; a document may have ${maxRecordBytes.toLocaleString("en-US")}.`;
  } catch {
    return "The record cannot be written as BSON: it is nested too deeply or refers to itself.";
  }
}
