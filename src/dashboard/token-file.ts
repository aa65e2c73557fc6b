import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { QuerymillError } from "../errors.ts";
import { codeOf, nodeFileSystem, openStateFolder, replaceFile } from "../state/files.ts";
import { exclusively } from "../state/owner.ts";
import type { Role } from "./api.ts";

/** A token that was made for somebody; the token itself is not kept. */
export interface MadeToken {
  readonly id: string;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  /** Of whom it is, for people; null: nobody said. */
  readonly name: string | null;
  /** The one that it shows; null: all. */
  readonly tenant: string | null;
  readonly role: Role;
  /** ISO 8601. */
  readonly createdAt: string;
}

interface Content {
  readonly format: 1;
  readonly tokens: readonly MadeToken[];
}

const FILE = "dashboard-tokens.json";
const TOKEN_BYTES = 32;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u;

/** Tokens of the dashboards of a batch directory, for readers, operators and tenants. Every change is seen at once by all processes. */
export class TokenFile {
  readonly path: string;
  readonly #folder: string;
  #seen: { readonly mark: string; readonly tokens: readonly MadeToken[] } | null = null;

  constructor(batchDir: string) {
    this.#folder = batchDir;
    this.path = join(batchDir, FILE);
  }

  /** As the file is now; read again only when it is another one. @throws QuerymillError STATE_DAMAGED */
  list(): readonly MadeToken[] {
    const mark = this.#mark();
    if (mark === null) return [];
    if (this.#seen?.mark !== mark) this.#seen = { mark, tokens: parsed(readFileSync(this.path, "utf8"), this.path) };
    return this.#seen.tokens;
  }

  /** @returns null for one that was never made, or was removed. @throws QuerymillError STATE_DAMAGED */
  find(token: string): MadeToken | null {
    const hash = hashOf(token);
    return this.list().find((one) => timingSafeEqual(hash, Buffer.from(one.hash, "hex"))) ?? null;
  }

  /**
   * Makes one. @returns the token, which is told once
   * @throws QuerymillError USAGE for a name that is none; STATE_UNWRITABLE, STATE_DAMAGED
   */
  async add(made: Pick<MadeToken, "name" | "tenant" | "role">): Promise<{ token: string; made: MadeToken }> {
    const { name } = made;
    if (name !== null && !NAME.test(name))
      throw new QuerymillError(
        "USAGE",
        `--name: expected up to 64 letters, digits, spaces and . _ @ -; got ${JSON.stringify(name)}.`,
      );
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const one: MadeToken = {
      id: randomBytes(5).toString("hex"),
      hash: hashOf(token).toString("hex"),
      ...made,
      createdAt: new Date().toISOString(),
    };
    await openStateFolder(nodeFileSystem, this.#folder);
    await this.#alone(async () => await this.#write([...this.list(), one]));
    return { token, made: one };
  }

  /** Their sessions end with them. @returns those that are gone */
  async remove(which: (one: MadeToken) => boolean): Promise<readonly MadeToken[]> {
    if (!this.list().some(which)) return [];
    return await this.#alone(async () => {
      const all = this.list();
      const gone = all.filter(which);
      if (gone.length > 0) await this.#write(all.filter((one) => !gone.includes(one)));
      return gone;
    });
  }

  /** What others change at the same time is not lost. */
  async #alone<T>(change: () => Promise<T>): Promise<T> {
    return await exclusively(`${this.path}.lock`, `the tokens in ${this.path}`, change);
  }

  async #write(tokens: readonly MadeToken[]): Promise<void> {
    const content: Content = { format: 1, tokens };
    await replaceFile(nodeFileSystem, this.path, `${JSON.stringify(content, null, 2)}\n`);
  }

  /** Another one with each writing; null: there is no file. */
  #mark(): string | null {
    try {
      const { ino, size, mtimeMs } = statSync(this.path);
      return `${ino} ${size} ${mtimeMs}`;
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return null;
      throw error;
    }
  }
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function parsed(text: string, path: string): readonly MadeToken[] {
  try {
    const { format, tokens } = JSON.parse(text) as Content;
    const isGood = (one: MadeToken): boolean => /^[0-9a-f]{64}$/.test(one.hash) && /^[0-9a-f]+$/.test(one.id);
    if (format === 1 && tokens.every(isGood)) return tokens;
  } catch {
    // Told below, as any other content that is none.
  }
  throw new QuerymillError(
    "STATE_DAMAGED",
    `The tokens in ${path} cannot be read, so none of them is taken. Remove the file, and make new ones:  querymill dashboard token add`,
  );
}
