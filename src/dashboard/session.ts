import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { DashboardSettings, NamedToken } from "../config/dashboard.ts";
import { QuerymillError } from "../errors.ts";
import type { Role } from "./api.ts";
import type { MadeToken, TokenFile } from "./token-file.ts";

/** Bytes of a token that is made here. */
const TOKEN_BYTES = 32;
/** Fewer characters can be guessed in time. */
const LEAST_TOKEN = 32;
const MOST_TOKEN = 1_000;
const SESSION_MS = 12 * 3_600_000;

/** Who somebody is, and until when. */
export interface Session {
  readonly role: Role;
  /** The one that may be seen; null: all. */
  readonly tenant: string | null;
  /** Id of the token that was made for somebody; null: one of the start, or of the settings. */
  readonly token: string | null;
  /** Epoch ms. */
  readonly untilMs: number;
}

/** Tokens that were made for somebody, and the tenants that there are to be seen. */
export interface MadeTokens {
  readonly file: Pick<TokenFile, "list" | "find">;
  readonly hasTenant: (name: string) => boolean;
}

const NOBODYS: MadeTokens = { file: { list: () => [], find: () => null }, hasTenant: () => true };
/** In front of the id of a token in the place of the role. */
const MADE = "~";

/**
 * Tokens against sessions. A session is a random id with role and end, signed with a key that is derived from the
 * operator's token: nothing is kept of it here, so there can be any number, and where the token is a lasting one they
 * outlive a restart of the server.
 */
export class Sessions {
  /** To be shown once; null when the settings name a lasting one. */
  readonly shownToken: string | null;
  readonly #operator: string;
  readonly #reader: string | null;
  readonly #readOnly: boolean;
  readonly #key: Buffer;
  readonly #now: () => number;
  readonly #made: MadeTokens;

  /** @throws QuerymillError CONFIG_INVALID for a variable that is not set, or too short */
  constructor(
    settings: Pick<DashboardSettings, "readOnly" | "token" | "readerToken">,
    now: () => number,
    made: MadeTokens = NOBODYS,
  ) {
    const { readOnly, token, readerToken } = settings;
    const lasting = token === null ? null : checked(token, "dashboard.tokenVariable");
    this.#operator = lasting ?? randomBytes(TOKEN_BYTES).toString("base64url");
    this.shownToken = lasting === null ? this.#operator : null;
    this.#reader = readerToken === null ? null : checked(readerToken, "dashboard.readerTokenVariable");
    if (this.#reader === this.#operator)
      throw new QuerymillError(
        "CONFIG_INVALID",
        "dashboard.readerTokenVariable and dashboard.tokenVariable hold the same token, so every reader could do everything. Give them two.",
      );
    this.#readOnly = readOnly;
    this.#key = createHmac("sha256", this.#operator).update("querymill dashboard sessions").digest();
    this.#now = now;
    this.#made = made;
  }

  /** @returns a new session for a token; null when it is none of ours. @throws QuerymillError STATE_DAMAGED */
  login(token: string): { readonly value: string; readonly session: Session } | null {
    const isOperator = isSame(token, this.#operator);
    const isReader = this.#reader !== null && isSame(token, this.#reader);
    if (isOperator || isReader) return this.#make(isOperator ? "operator" : "reader");
    const made = this.#made.file.find(token);
    return made === null || !this.#isServed(made) ? null : this.#make(`${MADE}${made.id}`);
  }

  /** @returns null for what is none of ours, was changed, or is over */
  read(value: string): Session | null {
    const [role = "", until = "", id = "", mark = "", more] = value.split(".");
    if (more !== undefined || !isSame(mark, this.#sign(`${role}.${until}.${id}`))) return null;
    const untilMs = Number.parseInt(until, 36);
    if (untilMs <= this.#now()) return null;
    return this.#sessionOf(role, untilMs);
  }

  /** Whether it still holds: its token was not removed. While the file of tokens cannot be read, none of them holds. */
  holds({ token }: Session): boolean {
    if (token === null) return true;
    try {
      return this.#find(token) !== null;
    } catch {
      return false;
    }
  }

  /** @returns a session that lasts as long as a new one, when more than half of it is over */
  renewed({ role, token, untilMs }: Session): { readonly value: string; readonly session: Session } | null {
    if (untilMs - this.#now() >= SESSION_MS / 2) return null;
    return this.#make(token === null ? role : `${MADE}${token}`);
  }

  /** @param who a role, or a token that was made for somebody */
  #make(who: string): { readonly value: string; readonly session: Session } | null {
    const untilMs = this.#now() + SESSION_MS;
    const start = `${who}.${untilMs.toString(36)}.${randomBytes(16).toString("base64url")}`;
    const session = this.#sessionOf(who, untilMs);
    return session === null ? null : { value: `${start}.${this.#sign(start)}`, session };
  }

  #sessionOf(who: string, untilMs: number): Session | null {
    // What was given before the dashboard became one to look at only gives no more.
    const allowed = (role: Role): Role => (this.#readOnly ? "reader" : role);
    if (!who.startsWith(MADE)) return { role: allowed(who as Role), tenant: null, token: null, untilMs };
    const made = this.#find(who.slice(MADE.length));
    return made === null ? null : { role: allowed(made.role), tenant: made.tenant, token: made.id, untilMs };
  }

  #find(id: string): MadeToken | null {
    const made = this.#made.file.list().find((one) => one.id === id);
    return made !== undefined && this.#isServed(made) ? made : null;
  }

  /** One of a tenant that is not there opens nothing. */
  #isServed({ tenant }: MadeToken): boolean {
    return tenant === null || this.#made.hasTenant(tenant);
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}

/** A stream of a session ends while half of it is left: whoever comes back gets another one. */
export function streamEndMs({ untilMs }: Session): number {
  return untilMs - SESSION_MS / 2;
}

/** In a time that does not depend on where two texts differ. */
function isSame(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHmac("sha256", "compare").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}

function checked({ variable, value }: NamedToken, setting: string): string {
  const how = `Make one: node -p "crypto.randomBytes(32).toString('base64url')"`;
  if (value === undefined)
    throw new QuerymillError("CONFIG_INVALID", `${setting}: the variable ${variable} is not set. ${how}`);
  if (value.length < LEAST_TOKEN || value.length > MOST_TOKEN || !/^[\w.~+/=-]+$/.test(value))
    throw new QuerymillError(
      "CONFIG_INVALID",
      `${setting}: a token has ${LEAST_TOKEN} to ${MOST_TOKEN} letters and digits, and ${variable} holds another. ${how}`,
    );
  return value;
}
