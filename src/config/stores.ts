import { secretsOfUri } from "../redact.ts";
import type { OptionKey } from "./schema.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";
import { embeddedStore, parseStoreUri, type StoreUri } from "./store-uri.ts";

/** What relative paths are relative to, and where the embedded store lies. All absolute. */
export interface Folders {
  readonly cwd: string;
  /** Of the config file. */
  readonly folder: string;
  readonly batchDir: string;
}

/** One database of a store. */
export interface Place {
  readonly store: StoreUri;
  readonly db: string;
}

export interface ChosenStores {
  /** Where records and the lease are. */
  readonly target: Place;
  /** Where documents are, when that is another place. */
  readonly source: Place | null;
}

/** Which database each side is in; what is wrong goes to `problems`, what may surprise to `notes`. */
export function chooseStores(
  options: ResolvedOptions,
  variables: Variables,
  folders: Folders,
  notes: string[],
  problems: string[],
): ChosenStores {
  const { get } = options;
  const both = get("source.uri") !== null && get("target.uri") !== null;
  const shared = both ? embeddedStore(folders.batchDir) : chooseStore(options, variables, folders, notes, problems);
  const side = (name: "source" | "target"): Place => {
    const own = readUri(options, `${name}.uri`, folders, notes, problems);
    const store = own ?? shared;
    return { store, db: get(`${name}.db`) ?? own?.db ?? get("db") ?? store.db ?? "querymill" };
  };
  const [source, target] = [side("source"), side("target")];
  // One server with another user is another place too: its rights differ.
  const same = source.store.uri === target.store.uri && (source.db === target.db || isEmbedded(source.store));
  if (isOnePlace(source, target) && get("sourceCollection") === get("targetCollection"))
    problems.push(
      `${options.name("targetCollection")} is "${get("targetCollection")}", the source itself: classifications would be read as queries. Choose another one.`,
    );
  return { target, source: same ? null : source };
}

function isOnePlace(a: Place, b: Place): boolean {
  return a.store.identity === b.store.identity && (a.db === b.db || isEmbedded(a.store));
}

function isEmbedded({ uri }: StoreUri): boolean {
  return uri.startsWith("sqlite:");
}

/** The one store of both sides. */
function chooseStore(
  options: ResolvedOptions,
  variables: Variables,
  folders: Folders,
  notes: string[],
  problems: string[],
): StoreUri {
  const origin = options.origin("store");
  const fallback = embeddedStore(folders.batchDir);
  const usual = variables("MONGODB_URI");
  if (usual !== undefined && (origin === "file" || origin === "default")) {
    if (origin === "file") notes.push(`MONGODB_URI is set and wins over ${options.name("store")}.`);
    const store = /^mongodb/i.test(usual) ? parseStoreUri(usual, folders.cwd) : null;
    if (store === null)
      problems.push("MONGODB_URI: expected mongodb://HOST/DB or mongodb+srv://HOST/DB; got something else.");
    return store ?? fallback;
  }
  return readUri(options, "store", folders, notes, problems) ?? fallback;
}

/** @returns null when the option was not given, or is wrong */
function readUri(
  options: ResolvedOptions,
  key: OptionKey & ("store" | "source.uri" | "target.uri"),
  { cwd, folder }: Folders,
  notes: string[],
  problems: string[],
): StoreUri | null {
  const given = options.get(key);
  if (given === null) return null;
  const inFile = options.origin(key) === "file";
  if (inFile && secretsOfUri(given).length > 0)
    notes.push(
      `${options.name(key)} holds a password. ${variableOf[key]} in the environment keeps it out of the file.`,
    );
  const store = parseStoreUri(given, inFile ? folder : cwd);
  if (store === null)
    problems.push(
      `${options.name(key)}: expected mongodb://HOST/DB, mongodb+srv://HOST/DB or the path of a file; got something else. A password with @ : / ? # in it must be percent-encoded.`,
    );
  return store;
}

const variableOf = { store: "MONGODB_URI", "source.uri": "QUERYMILL_SOURCE_URI", "target.uri": "QUERYMILL_TARGET_URI" };
