import { type Correction, type CorrectionStatus, changeOf, type UndoResult, undoOf } from "../correction.ts";
import type { ItemKey } from "../item.ts";
import type { SqliteDocuments } from "./sqlite-documents.ts";
import type { Row } from "./sqlite-pages.ts";
import type { Statements } from "./sqlite-statements.ts";

/** Writes what people decided. Runs in the store's thread. */
export class SqliteCorrections {
  readonly #statements: Statements;
  readonly #documents: SqliteDocuments;

  constructor(statements: Statements, documents: SqliteDocuments) {
    this.#statements = statements;
    this.#documents = documents;
  }

  /** @param at JSON text of the time as it stands in a record */
  correct(collection: string, corrections: readonly Correction[], at: string): CorrectionStatus[] {
    return this.#statements.transaction(() =>
      corrections.map((correction) => {
        const [row] = this.#documents.readByKeys(collection, [correction.key]) as [Row?];
        const record = row === undefined ? null : JSON.parse(row.body);
        const { status, set } = changeOf(record, correction, JSON.parse(at));
        if (Object.keys(set).length > 0) this.#documents.setFields(collection, correction.key, record, set);
        return status;
      }),
    );
  }

  uncorrect(collection: string, key: ItemKey, sheet: string): UndoResult {
    return this.#statements.transaction(() => {
      const [row] = this.#documents.readByKeys(collection, [key]) as [Row?];
      const record = row === undefined ? null : JSON.parse(row.body);
      const { status, set, gone } = undoOf(record, sheet, msOf);
      if (status === "undone") this.#documents.setFields(collection, key, record, set, gone);
      return status;
    });
  }
}

/** Of a date as it stands in a body. */
function msOf(time: unknown): number | null {
  const long = (time as { $date?: { $numberLong?: string } } | null | undefined)?.$date?.$numberLong;
  return long === undefined ? null : Number(long);
}
