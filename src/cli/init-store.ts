import { loadSettings } from "../config/load.ts";
import { embeddedStore, parseStoreUri } from "../config/store-uri.ts";
import type { JobSettings } from "../job.ts";
import { lookAtStore, type StoreLook } from "../jobs/store-looks.ts";
import { secretsOfUri, withoutPassword } from "../redact.ts";
import { count } from "./format.ts";
import type { StoreAnswer } from "./init-file.ts";
import { BACK, type Back, type Questions } from "./init-questions.ts";

/** A store that was reached, with what the next questions need. */
export interface FoundStore {
  readonly answer: StoreAnswer;
  /** The same as settings, with the password that the file does not name; null for a file of rows. */
  readonly settings: JobSettings | null;
}

const EXAMPLE_URI = "mongodb://localhost:27017/support";

/** Asks for MongoDB: tests the address by connecting, and lets a collection be picked. */
export async function askMongo(ask: Questions, variable: string | undefined, cwd: string): Promise<FoundStore | Back> {
  const known = variable !== undefined && /^mongodb/i.test(variable) ? variable : null;
  let shown = known === null ? EXAMPLE_URI : "";
  if (known !== null && (await ask.yes(`Use MONGODB_URI (${withoutPassword(known)})?`, true))) shown = known;
  for (;;) {
    const uri =
      shown === known ? known : await ask.line("Address of MongoDB (empty: back)", shown === "" ? EXAMPLE_URI : shown);
    if (uri === BACK) return BACK;
    shown = "";
    const parsed = parseStoreUri(uri, cwd);
    if (parsed === null || !parsed.uri.startsWith("mongodb")) {
      ask.warn(
        "That is no address of MongoDB: mongodb://HOST/DB or mongodb+srv://HOST/DB. A password with @ : / ? # in it must be percent-encoded.",
      );
      continue;
    }
    const db = parsed.db ?? (await ask.line("Database (empty: back)", "support"));
    if (db === BACK) continue;
    const flags = { store: uri, db };
    const found = await ask.attempt(`Connecting to ${withoutPassword(uri)}`, () => look(flags, cwd));
    if (found === null) {
      shown = uri === known ? "" : uri;
      continue;
    }
    ask.say(`${found.description}: ${count(found.collections.length)} collections`);
    const names = await askCollections(ask, found.collections, db);
    if (names === BACK) continue;
    const secret = secretsOfUri(uri).length > 0;
    if (secret && uri !== known)
      ask.warn(
        "The address holds a password, so the file will not name it. Put it in the environment or in .env as MONGODB_URI.",
      );
    if (!secret && uri !== known && known !== null)
      ask.warn("MONGODB_URI is set and wins over the file. Unset it, or take it out of .env.");
    const answer = { kind: "mongodb" as const, uri: secret || uri === known ? null : uri, db, ...names };
    const { source, target } = names;
    return { answer, settings: { ...found.settings, sourceCollection: source, targetCollection: target } };
  }
}

/** Asks for an embedded store that is there already. */
export async function askEmbedded(ask: Questions, cwd: string): Promise<FoundStore | Back> {
  for (;;) {
    const usual = embeddedStore("batch_files").uri.slice("sqlite:".length);
    const path = await ask.line("File of the embedded store (empty: back)", usual);
    if (path === BACK) return BACK;
    const found = await ask.attempt("Looking into it", () => look({ store: path }, cwd));
    if (found === null) continue;
    const names = await askCollections(ask, found.collections, path);
    if (names === BACK) continue;
    const { source, target } = names;
    return {
      answer: { kind: "embedded", path, source, target },
      settings: { ...found.settings, sourceCollection: source, targetCollection: target },
    };
  }
}

async function askCollections(
  ask: Questions,
  collections: readonly { readonly name: string; readonly documents: number | null }[],
  place: string,
): Promise<{ source: string; target: string } | Back> {
  if (collections.length === 0) {
    ask.warn(`${place} has no collections. Check the name of the database, or put the queries there first.`);
    return BACK;
  }
  const sorted = collections.toSorted((a, b) => (b.documents ?? 0) - (a.documents ?? 0));
  for (;;) {
    const source = await ask.choose(
      "Where are the queries?",
      sorted.map(({ name, documents }) => ({
        value: name,
        label: `${name}  (${documents === null ? "not counted" : `${count(documents)} ${documents === 1 ? "document" : "documents"}`})`,
      })),
    );
    if (source === BACK) return BACK;
    const target = await ask.line("Collection for the classifications (empty: back)", "sentimental_analysis");
    if (target === BACK) continue;
    if (target === source) ask.warn("That is the source itself: classifications would be read as queries.");
    else return { source, target };
  }
}

/** Settings as a run with these flags would have them, whatever file is there, and what is in their store. */
async function look(flags: Record<string, unknown>, cwd: string): Promise<StoreLook & { settings: JobSettings }> {
  const { settings } = await loadSettings({ flags, env: process.env, cwd, config: {}, needsModel: false });
  return { ...(await lookAtStore(settings)), settings };
}
