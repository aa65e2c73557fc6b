import { basename, dirname, join, relative } from "node:path";
import { type AppendFile, type FileSystem, nodeFileSystem } from "../../src/state/files.ts";

/**
 * One step on a disk, as a file system sees it. `sync` and `syncFolder` promise; the others may reach the disk late, in
 * part, in another order, or never. `said` is what the program claimed at this moment.
 */
export type Step<Fact> =
  | Change
  | { readonly kind: "sync"; readonly node: number; readonly upTo: number }
  | { readonly kind: "syncFolder"; readonly node: number }
  | { readonly kind: "said"; readonly fact: Fact };

type Change =
  | (Entry & { readonly kind: "link"; readonly node: number; readonly makes: "file" | "folder" })
  | (Entry & { readonly kind: "unlink" })
  /** One step, as on any journaling file system; durable with either folder. */
  | { readonly kind: "rename"; readonly from: Entry; readonly to: Entry; readonly node: number }
  | { readonly kind: "data"; readonly node: number; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: "cut"; readonly node: number; readonly length: number };
interface Entry {
  readonly folder: number;
  readonly name: string;
}

const ROOT = 0;

/** The real file system below one folder, with a record of every step; it can be told to fail from some step on. */
export class RecordingDisk<Fact> {
  readonly steps: Step<Fact>[] = [];
  readonly files: FileSystem;
  /** Changes after which every operation fails, as on a disk that is gone. */
  changesLeft = Number.POSITIVE_INFINITY;
  readonly #root: string;
  readonly #entries = new Map<number, Map<string, number>>([[ROOT, new Map()]]);
  #nodes = ROOT;

  constructor(root: string) {
    this.#root = root;
    this.files = this.#makeFiles();
  }

  say(fact: Fact): void {
    this.steps.push({ kind: "said", fact });
  }

  #makeFiles(): FileSystem {
    return {
      ...nodeFileSystem,
      makeFolder: async (path) => {
        this.#alive();
        this.#folderAt(path, true);
        return await nodeFileSystem.makeFolder(path);
      },
      create: async (path) => {
        this.#alive();
        const file = await nodeFileSystem.create(path);
        return this.#recordFile(file, this.#link(path));
      },
      read: async (path) => {
        this.#alive();
        return await nodeFileSystem.read(path);
      },
      write: async (path, data) => {
        this.#change();
        const known = this.#nodeAt(path);
        const node = known ?? this.#link(path);
        if (known !== null) this.steps.push({ kind: "cut", node, length: 0 });
        this.steps.push({ kind: "data", node, position: 0, bytes: Buffer.from(data) });
        await nodeFileSystem.write(path, data);
      },
      overwrite: async (path, data) => {
        this.#change();
        const node = this.#nodeAt(path) ?? this.#link(path);
        this.steps.push({ kind: "data", node, position: 0, bytes: Buffer.from(data) });
        await nodeFileSystem.overwrite(path, data);
      },
      rename: async (from, to) => {
        this.#change();
        const node = this.#nodeAt(from)!;
        const step = { kind: "rename", from: this.#entryOf(from), to: this.#entryOf(to), node } as const;
        this.#entries.get(step.from.folder)!.delete(step.from.name);
        this.#entries.get(step.to.folder)!.set(step.to.name, node);
        this.steps.push(step);
        await nodeFileSystem.rename(from, to);
      },
      remove: async (path) => {
        this.#unlink(path);
        await nodeFileSystem.remove(path);
      },
      removeFile: async (path) => {
        this.#unlink(path);
        await nodeFileSystem.removeFile(path);
      },
      list: async (path) => {
        this.#alive();
        return await nodeFileSystem.list(path);
      },
      syncFolder: async (path) => {
        this.#alive();
        await nodeFileSystem.syncFolder(path);
        this.steps.push({ kind: "syncFolder", node: this.#folderAt(path, false) });
      },
      syncFile: async (path) => {
        this.#alive();
        const upTo = this.steps.length;
        await nodeFileSystem.syncFile(path);
        this.steps.push({ kind: "sync", node: this.#nodeAt(path)!, upTo });
      },
    };
  }

  #recordFile(file: AppendFile, node: number): AppendFile {
    return {
      ...file,
      write: async (data, position) => {
        this.#change();
        this.steps.push({ kind: "data", node, position, bytes: Buffer.from(data) });
        await file.write(data, position);
      },
      truncate: async (length) => {
        this.#change();
        this.steps.push({ kind: "cut", node, length });
        await file.truncate(length);
      },
      sync: async () => {
        this.#alive();
        // What is written while the sync is under way, it does not promise.
        const upTo = this.steps.length;
        await file.sync();
        this.steps.push({ kind: "sync", node, upTo });
      },
    };
  }

  #alive(): void {
    if (this.changesLeft <= 0) throw new Error("EIO: the disk is gone");
  }

  #change(): void {
    this.#alive();
    this.changesLeft -= 1;
  }

  #link(path: string): number {
    const { folder, name } = this.#entryOf(path);
    this.#nodes += 1;
    this.#entries.get(folder)!.set(name, this.#nodes);
    this.steps.push({ kind: "link", folder, name, node: this.#nodes, makes: "file" });
    return this.#nodes;
  }

  /** A folder goes with all it holds, from its leaves. */
  #unlink(path: string): void {
    this.#change();
    const node = this.#nodeAt(path);
    if (node === null) return;
    for (const name of this.#entries.get(node)?.keys() ?? []) this.#unlink(join(path, name));
    const { folder, name } = this.#entryOf(path);
    this.#entries.get(folder)!.delete(name);
    this.steps.push({ kind: "unlink", folder, name });
  }

  #entryOf(path: string): Entry {
    return { folder: this.#folderAt(dirname(path), false), name: basename(path) };
  }

  #folderAt(path: string, make: boolean): number {
    let node = ROOT;
    for (const name of relative(this.#root, path).split("/").filter(Boolean)) {
      const entries = this.#entries.get(node)!;
      let next = entries.get(name);
      if (next === undefined) {
        if (!make) throw new Error(`${path} is not known`);
        this.#nodes += 1;
        next = this.#nodes;
        this.#entries.set(next, new Map());
        this.steps.push({ kind: "link", folder: node, name, node: next, makes: "folder" });
        entries.set(name, next);
      }
      node = next;
    }
    return node;
  }

  #nodeAt(path: string): number | null {
    let node: number | undefined = ROOT;
    for (const name of relative(this.#root, path).split("/").filter(Boolean)) {
      node = this.#entries.get(node)?.get(name);
      if (node === undefined) return null;
    }
    return node;
  }
}

/** Files of one crash state by their path from the root. */
export type Contents = Map<string, Buffer>;

/** Which of the pending changes reached the disk, and how much of one of them. */
export interface Choice {
  readonly took: (index: number) => boolean;
  /** The newest change, when it is data: so many bytes of it arrived; the rest is missing, or zeros where it should be. */
  readonly torn?: { readonly bytes: number; readonly zeros: boolean };
}

/** Steps forward through a record and tells what a power cut at each place could leave. */
export class CrashPlaces<Fact> {
  readonly #durable = { files: new Map<number, Buffer>(), folders: new Map([[ROOT, new Map<string, number>()]]) };
  #pending: { at: number; change: Change }[] = [];

  get pending(): number {
    return this.#pending.length;
  }

  /** The bytes of the newest change, when it is data. */
  get newestBytes(): number | null {
    const newest = this.#pending.at(-1)?.change;
    return newest?.kind === "data" ? newest.bytes.length : null;
  }

  advance(step: Step<Fact>, at: number): void {
    if (step.kind === "said") return;
    if (step.kind !== "sync" && step.kind !== "syncFolder") {
      this.#pending.push({ at, change: step });
      return;
    }
    const kept: { at: number; change: Change }[] = [];
    for (const entry of this.#pending) {
      if (
        step.kind === "sync" ? isDataOf(entry.change, step.node) && entry.at < step.upTo : isIn(entry.change, step.node)
      )
        apply(this.#durable, entry.change);
      else kept.push(entry);
    }
    this.#pending = kept;
  }

  /** @returns the files that are reachable from the root when these changes arrived */
  state({ took, torn }: Choice): Contents {
    const disk = {
      files: new Map(this.#durable.files),
      folders: new Map([...this.#durable.folders].map(([node, entries]) => [node, new Map(entries)])),
    };
    const last = this.#pending.length - 1;
    for (const [index, { change }] of this.#pending.entries()) {
      if (!took(index)) continue;
      apply(disk, index === last && torn !== undefined ? tear(change, torn) : change);
    }
    const contents: Contents = new Map();
    const visit = (node: number, path: string): void => {
      const entries = disk.folders.get(node);
      if (entries === undefined) contents.set(path, disk.files.get(node) ?? Buffer.alloc(0));
      else for (const [name, inner] of entries) visit(inner, join(path, name));
    };
    visit(ROOT, "/");
    return contents;
  }
}

/** A file system in memory that begins with these files. */
export function memoryFiles(contents: Contents): FileSystem {
  const files = new Map(contents);
  const open = (path: string): AppendFile => ({
    write: async (data, position) => {
      files.set(path, overwrite(files.get(path) ?? Buffer.alloc(0), data, position));
    },
    sync: async () => {},
    truncate: async (length) => {
      files.set(path, files.get(path)!.subarray(0, length));
    },
    read: async (length, position) => files.get(path)!.subarray(position, position + length),
    close: async () => {},
  });
  const below = (path: string): string[] => [...files.keys()].filter((name) => name.startsWith(`${path}/`));
  return {
    makeFolder: async () => undefined,
    create: async (path) => {
      files.set(path, Buffer.alloc(0));
      return open(path);
    },
    read: async (path) => files.get(path) ?? null,
    write: async (path, data) => {
      files.set(path, Buffer.from(data));
    },
    overwrite: async (path, data) => {
      const bytes = Buffer.from(data);
      files.set(path, Buffer.concat([bytes, (files.get(path) ?? bytes).subarray(bytes.length)]));
    },
    rename: async (from, to) => {
      for (const path of [from, ...below(from)]) {
        const data = files.get(path);
        if (data === undefined) continue;
        files.set(to + path.slice(from.length), data);
        files.delete(path);
      }
    },
    remove: async (path) => {
      for (const name of [path, ...below(path)]) files.delete(name);
    },
    removeFile: async (path) => {
      files.delete(path);
    },
    list: async (path) => [...new Set(below(path).map((name) => name.slice(path.length + 1).split("/")[0]!))].sort(),
    syncFolder: async () => {},
    syncFile: async () => {},
  };
}

interface Disk {
  readonly files: Map<number, Buffer>;
  readonly folders: Map<number, Map<string, number>>;
}

function apply({ files, folders }: Disk, change: Change): void {
  const entriesOf = (folder: number): Map<string, number> => {
    const entries = folders.get(folder) ?? new Map<string, number>();
    folders.set(folder, entries);
    return entries;
  };
  switch (change.kind) {
    case "link":
      entriesOf(change.folder).set(change.name, change.node);
      if (change.makes === "folder") entriesOf(change.node);
      break;
    case "unlink":
      folders.get(change.folder)?.delete(change.name);
      break;
    case "rename":
      folders.get(change.from.folder)?.delete(change.from.name);
      entriesOf(change.to.folder).set(change.to.name, change.node);
      break;
    case "data":
      files.set(change.node, overwrite(files.get(change.node) ?? Buffer.alloc(0), change.bytes, change.position));
      break;
    case "cut":
      files.set(change.node, (files.get(change.node) ?? Buffer.alloc(0)).subarray(0, change.length));
  }
}

function tear(change: Change, { bytes, zeros }: { bytes: number; zeros: boolean }): Change {
  if (change.kind !== "data") return change;
  const arrived = change.bytes.subarray(0, bytes);
  const padded = zeros ? Buffer.concat([arrived, Buffer.alloc(change.bytes.length - bytes)]) : arrived;
  return { ...change, bytes: padded };
}

function overwrite(before: Buffer, data: Buffer, position: number): Buffer {
  const after = Buffer.alloc(Math.max(before.length, position + data.length));
  before.copy(after);
  data.copy(after, position);
  return after;
}

const isDataOf = (change: Change, node: number): boolean =>
  (change.kind === "data" || change.kind === "cut") && change.node === node;

function isIn(change: Change, folder: number): boolean {
  if (change.kind === "rename") return change.from.folder === folder || change.to.folder === folder;
  return (change.kind === "link" || change.kind === "unlink") && change.folder === folder;
}
