import type { DatabaseSync } from "node:sqlite";
import type { LeaseHolder, LeaseResult } from "../store.ts";
import type { Statements } from "./sqlite-statements.ts";

interface LeaseRow {
  readonly fence: number;
  readonly job: string | null;
  readonly holder: string | null;
  readonly expires_at: number | null;
}

/**
 * Leases as rows, by the clock of this machine: every process that can open the file has the same one. It may be set: an
 * end further ahead than the time to live is cut to that when somebody asks for the lease. A living owner renews it before,
 * a dead one's ends, so a clock that was set back by an hour holds nobody up for an hour.
 */
export class SqliteLeases {
  readonly #statements: Statements;
  readonly #nowMs: () => number;

  constructor(database: DatabaseSync, statements: Statements, nowMs: () => number) {
    this.#statements = statements;
    this.#nowMs = nowMs;
    database.exec(
      "create table if not exists leases (target text primary key, fence integer not null, job text, holder text, expires_at integer)",
    );
  }

  acquire(target: string, holder: LeaseHolder, ttlMs: number): LeaseResult {
    return this.#statements.transaction(() => {
      const row = this.#row(target);
      const now = this.#nowMs();
      const current = row?.holder ? (JSON.parse(row.holder) as LeaseHolder) : null;
      if (row?.job && row.job !== holder.job)
        return {
          status: "other-job",
          holder: current ?? { job: row.job, ownerId: "", host: "", pid: 0, executionId: "" },
        };
      if (current && current.ownerId !== holder.ownerId && (row?.expires_at ?? 0) > now) {
        const expiresAt = Math.min(row!.expires_at!, now + ttlMs);
        this.#change(target, current.ownerId, row!.fence, "set expires_at = ?", expiresAt);
        return { status: "busy", holder: current, expiresInMs: expiresAt - now };
      }
      const fence = (row?.fence ?? 0) + 1;
      this.#statements
        .of(
          "insert into leases values (?, ?, ?, ?, ?) on conflict (target) do update set fence = excluded.fence, job = excluded.job, holder = excluded.holder, expires_at = excluded.expires_at",
        )
        .run(target, fence, holder.job, JSON.stringify(holder), now + ttlMs);
      return { status: "held", fence };
    });
  }

  renew(target: string, ownerId: string, fence: number, ttlMs: number): boolean {
    return this.#change(target, ownerId, fence, "set expires_at = ?", this.#nowMs() + ttlMs);
  }

  release(target: string, ownerId: string, fence: number): void {
    this.#change(target, ownerId, fence, "set holder = null, expires_at = ?", null);
  }

  forget(target: string): void {
    this.#statements.of("update leases set job = null, holder = null, expires_at = null where target = ?").run(target);
  }

  remove(target: string): void {
    this.#statements.of("delete from leases where target = ?").run(target);
  }

  look(target: string): { job: string; holder: LeaseHolder | null } | null {
    const row = this.#row(target);
    if (!row?.job) return null;
    const held = row.holder !== null && (row.expires_at ?? 0) > this.#nowMs();
    return { job: row.job, holder: held ? (JSON.parse(row.holder!) as LeaseHolder) : null };
  }

  #change(target: string, ownerId: string, fence: number, set: string, expiresAt: number | null): boolean {
    const owned = "where target = ? and fence = ? and json_extract(holder, '$.ownerId') = ?";
    return (
      Number(this.#statements.of(`update leases ${set} ${owned}`).run(expiresAt, target, fence, ownerId).changes) === 1
    );
  }

  #row(target: string): LeaseRow | undefined {
    return this.#statements.of("select fence, job, holder, expires_at from leases where target = ?").get(target) as
      | LeaseRow
      | undefined;
  }
}
