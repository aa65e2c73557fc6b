import { type Correction, type CorrectionStatus, changeOf } from "../correction.ts";
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
}
