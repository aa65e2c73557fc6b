import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Prepared statements by their text, and transactions. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #done = new Set<string>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  of(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }

  /** Runs a statement that changes nothing the second time, such as `create … if not exists`, only the first time. */
  once(sql: string): void {
    if (this.#done.has(sql)) return;
    this.#database.exec(sql);
    this.#done.add(sql);
  }

  /** Drops what was prepared: a table is about to go. */
  forget(): void {
    this.#prepared.clear();
    this.#done.clear();
  }

  /** All or nothing, and synced to disk when it returns. Takes the write lock at once, so that nobody changes what it reads. */
  transaction<T>(work: () => T): T {
    this.#database.exec("begin immediate");
    try {
      const result = work();
      this.#database.exec("commit");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("rollback");
      throw error;
    }
  }
}
