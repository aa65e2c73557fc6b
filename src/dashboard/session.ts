import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { DashboardSettings, NamedToken } from "../config/dashboard.ts";
import { QuerymillError } from "../errors.ts";
import type { Role } from "./api.ts";

/** Bytes of a token that is made here. */
const TOKEN_BYTES = 32;
/** Fewer characters can be guessed in time. */
const LEAST_TOKEN = 32;
const MOST_TOKEN = 1_000;
const SESSION_MS = 12 * 3_600_000;

/** Who somebody is, and until when. */
export interface Session {
  readonly role: Role;
  /** Epoch ms. */
  readonly untilMs: number;
}

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

  /** @throws QuerymillError CONFIG_INVALID for a variable that is not set, or too short */
  constructor(settings: Pick<DashboardSettings, "readOnly" | "token" | "readerToken">, now: () => number) {
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
  }

  /** @returns a new session for a token; null when it is none of ours */
  login(token: string): { readonly value: string; readonly session: Session } | null {
    const isOperator = isSame(token, this.#operator);
    const isReader = this.#reader !== null && isSame(token, this.#reader);
    return isOperator || isReader ? this.#make(isOperator ? "operator" : "reader") : null;
  }

  /** @returns null for what is none of ours, was changed, or is over */
  read(value: string): Session | null {
    const [role = "", until = "", id = "", mark = "", more] = value.split(".");
    if (more !== undefined || !isSame(mark, this.#sign(`${role}.${until}.${id}`))) return null;
    const untilMs = Number.parseInt(until, 36);
    if (untilMs <= this.#now()) return null;
    // What was given before the dashboard became one to look at only gives no more.
    return { role: this.#readOnly ? "reader" : (role as Role), untilMs };
  }

  /** @returns a session that lasts as long as a new one, when more than half of it is over */
  renewed({ role, untilMs }: Session): { readonly value: string; readonly session: Session } | null {
    return untilMs - this.#now() < SESSION_MS / 2 ? this.#make(role) : null;
  }

  #make(role: Role): { readonly value: string; readonly session: Session } {
    const untilMs = this.#now() + SESSION_MS;
    const start = `${role}.${untilMs.toString(36)}.${randomBytes(16).toString("base64url")}`;
    const session: Session = { role: this.#readOnly ? "reader" : role, untilMs };
    return { value: `${start}.${this.#sign(start)}`, session };
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
