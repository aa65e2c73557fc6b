import { isAbsolute, join, resolve } from "node:path";
import { shortHash } from "../job.ts";

/** A store as it was chosen. */
export interface StoreUri {
  /** `mongodb://…` as given, credentials included, or `sqlite:` and an absolute path. */
  readonly uri: string;
  /** Without credentials and options: what two runs on the same store have in common. */
  readonly identity: string;
  /** Database in the path of a MongoDB URI; null when it names none. */
  readonly db: string | null;
}

const MONGO = /^(mongodb(?:\+srv)?):\/\/(?:([^\s]*)@)?([^\s@/?]+)(?:\/([^\s?/]*))?(?:\?[^\s]*)?$/i;

/**
 * Reads `mongodb://…`, `mongodb+srv://…`, `sqlite:PATH` or a path.
 * @param folder what a relative path is relative to
 * @returns null when it is none of these
 */
export function parseStoreUri(text: string, folder: string): StoreUri | null {
  if (/^mongodb(\+srv)?:/i.test(text)) {
    const [, scheme, , hosts, path] = MONGO.exec(text) ?? [];
    if (scheme === undefined || hosts === undefined) return null;
    const sorted = hosts.toLowerCase().split(",").sort().join(",");
    return { uri: text, identity: `${scheme.toLowerCase()}://${sorted}`, db: path ? decoded(path) : null };
  }
  const path = text.replace(/^sqlite:(\/\/(?=\/))?/i, "");
  if (path === "" || /^[a-z][a-z0-9+.-]+:/i.test(path)) return null;
  return storeAt(isAbsolute(path) ? path : resolve(folder, path));
}

/** The store of a user who has none: one file in the batch directory. */
export function embeddedStore(batchDir: string): StoreUri {
  return storeAt(join(batchDir, "querymill.sqlite"));
}

/**
 * The name of a job that was given none: the same store, source and target always make the same name.
 * @param from where the source is, when that is another place
 */
export function deriveJob(
  store: StoreUri,
  db: string,
  source: string,
  target: string,
  from: { readonly store: StoreUri; readonly db: string } | null = null,
): string {
  const slug = source.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  const identity = [store.identity, db, source, target, ...(from === null ? [] : [from.store.identity, from.db])];
  return `${slug.slice(0, 40) || "job"}-${shortHash(identity, 6)}`;
}

/** The embedded store in the file at an absolute path. */
export function storeAt(path: string): StoreUri {
  return { uri: `sqlite:${path}`, identity: `sqlite:${path}`, db: null };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
