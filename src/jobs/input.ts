import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type InputSettings, inputJobName, inputStore } from "../config/input.ts";
import { type DocumentForm, documentForm } from "../files/documents.ts";
import { openBytes } from "../files/file-bytes.ts";
import { fileInvalid, nameOf } from "../files/file-fault.ts";
import { openTable, type Table } from "../files/table.ts";
import { textMapping } from "../files/text-column.ts";
import type { JobSettings } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { openStateFolder } from "../state/files.ts";
import { OwnerLock } from "../state/owner.ts";
import type { Source, SourceDocument, Store } from "../store.ts";
import { DEFAULT_FIELDS } from "../stores/mapping.ts";
import { type InputRecord, readInputRecord, withReading, writeInputRecord } from "./input-record.ts";
import { checkRows, importRows, type RowListener, withMarks } from "./input-rows.ts";
import { identify, type RowIdentity, RowIds } from "./row-ids.ts";
import { openStore } from "./wiring.ts";

/** A file whose rows are in the embedded store of its job, ready for a run. */
export interface OpenInput {
  /** Of the run: job, store and mapping are those of the file. */
  readonly settings: JobSettings;
  readonly table: Table;
  readonly form: DocumentForm;
  readonly identity: RowIdentity;
  /** Rows of the file. */
  readonly rows: number;
  /** For the user. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens a file, checks all of it, and puts the rows that are not there yet into the embedded store of its job. Holds the
 * job's lock meanwhile.
 * @param onProgress told page by page
 * @throws QuerymillError FILE_INVALID (as `openTable`, no such column, rows that are stored differ), JOB_HELD,
 * STORE_REFUSED
 */
export async function openInput(
  settings: JobSettings,
  input: InputSettings,
  onProgress: RowListener = () => {},
): Promise<OpenInput> {
  const table = await tableOf(input);
  try {
    const described = await describe(table, settings, input);
    const { added, rows, doubled } = await withLock(described.settings, () =>
      bringIn(table, described, input, onProgress),
    );
    const { idLike, ...rest } = described;
    const notes = [...table.notes];
    if (described.identity.column === "_id" && input.idColumn === null) notes.push("The column _id identifies a row.");
    // Once there is a result, another id would make every row another item.
    if (idLike !== null && added === rows)
      notes.push(
        `Rows are told apart by their number. The column ${idLike} looks like an id: --id-column ${shellName(idLike)} would use it.`,
      );
    if (doubled.rows > 0)
      notes.push(
        `${amount(doubled.rows, "row has", "rows have")} an id that an earlier row has, the first in line ${doubled.firstLine}: #2, #3, … was put behind it.`,
      );
    notes.push(
      `${amount(rows, "row", "rows")} of ${nameOf(table.path)}${added === rows ? "" : `, ${added.toLocaleString("en-US")} of them new`}.`,
    );
    return { ...rest, table, rows, notes, close: () => table.close() };
  } catch (error) {
    await table.close();
    throw error;
  }
}

/**
 * The settings that {@link openInput} would return, without reading more than the first rows or changing anything.
 * @throws QuerymillError FILE_INVALID
 */
export async function describeInput(settings: JobSettings, input: InputSettings): Promise<JobSettings> {
  const table = await tableOf(input);
  try {
    return (await describe(table, settings, input)).settings;
  } finally {
    await table.close();
  }
}

async function tableOf({ path, shown, encoding, delimiter }: InputSettings): Promise<Table> {
  return await openTable({
    path: resolve(shown) === path ? shown : path,
    ...(encoding === null ? {} : { encoding }),
    ...(delimiter === null ? {} : { delimiter }),
  });
}

type Described = Pick<OpenInput, "settings" | "form" | "identity"> & { readonly idLike: string | null };

/** What the first rows tell: how rows are told apart, and where their text is. */
async function describe(table: Table, settings: JobSettings, input: InputSettings): Promise<Described> {
  const { identity, names, idLike } = await identify(table, input.idColumn);
  const form = documentForm(table.columns, settings.mark);
  const mapping = saysWhere(settings)
    ? settings.mapping
    : textMapping(table.path, names, form, {
        column: input.textColumn,
        mapping: settings.mapping,
        defaults: DEFAULT_FIELDS,
      });
  const own = input.path === "-" ? ofStdin(settings, identity.fingerprint) : settings;
  return { settings: { ...own, mapping }, form, identity, idLike };
}

/** @returns whether it is the store of a file whose rows are told apart by their number */
export async function hasNumberedRows(store: Store): Promise<boolean> {
  const record = await readInputRecord(store);
  return record !== null && record.idColumn === null;
}

/** A preset or a mapping of messages says where texts are: no column is looked for. */
function saysWhere({ mapping }: JobSettings): boolean {
  return mapping.preset !== undefined || mapping.messages !== undefined;
}

/** What comes through a pipe has no name: its beginning tells whether it is the same again. */
function ofStdin(settings: JobSettings, fingerprint: string): JobSettings {
  const name = inputJobName("stdin", fingerprint);
  const job = settings.job === inputJobName("stdin", "stdin") ? name : settings.job;
  return { ...settings, job, storeUri: inputStore(settings.batchDir, name).uri };
}

async function bringIn(
  table: Table,
  { settings, form, identity }: Described,
  input: InputSettings,
  onProgress: RowListener,
): Promise<{ added: number } & Pick<InputRecord, "rows" | "doubled">> {
  const { sourceCollection: collection, mark, fresh } = settings;
  const store = await openStore(settings);
  const sourceOf = (name: string): Source => store.source({ collection: name, mark, filter: null, fields: null });
  const rowIds = (name: string): RowIds => new RowIds(identity, form, sourceOf(name));
  try {
    const record = await readInputRecord(store);
    const sameIds = record === null || record.idColumn === identity.column;
    if (!sameIds && !fresh) throw otherIdColumn(table, record, identity);
    const digest = await digestOf(input);
    const readings = withReading(record?.readings ?? [], settings);
    if (sameIds && record?.whole && digest !== null && record.digest === digest) {
      if (readings !== record.readings) await writeInputRecord(store, { ...record, readings });
      return { ...record, added: 0 };
    }
    const stored = sameIds ? (record?.rows ?? 0) : 0;
    let ids = rowIds(collection);
    const source = sourceOf(collection);
    const { rows, changed } = await checkRows({
      table,
      ids,
      source,
      mark,
      stored,
      idColumn: identity.column,
      onProgress,
    });
    if (changed !== null && !fresh) throw fileChanged(table, changed);
    const save = async (done: number, whole: boolean): Promise<void> =>
      await writeInputRecord(store, {
        rows: done,
        whole,
        digest,
        idColumn: identity.column,
        readings,
        doubled: ids.doubled,
      });
    const again = changed !== null || !sameIds;
    if (again) {
      const next = `${collection}_next`;
      await store.drop(next);
      ids = rowIds(next);
      const change = (documents: readonly SourceDocument[]) => withMarks(documents, source, mark);
      await importRows({ table, ids, store, collection: next, stored: 0, change, onProgress });
      await store.replace(collection, next);
    } else await importRows({ table, ids, store, collection, stored, save: (done) => save(done, false), onProgress });
    await save(rows, true);
    return { added: again ? rows : rows - stored, rows, doubled: ids.doubled };
  } finally {
    await store.close();
  }
}

function otherIdColumn({ path }: Table, before: InputRecord, now: RowIdentity): Error {
  const named = (column: string | null): string => (column === null ? "their number" : `the column ${column}`);
  const flag = before.idColumn === null ? "Leave --id-column out" : `Use --id-column ${before.idColumn}`;
  return fileInvalid(
    path,
    `its rows were told apart by ${named(before.idColumn)}, and now by ${named(now.column)}`,
    `${flag}, or read it anew with --fresh: then each row is another item and is asked again.`,
  );
}

function fileChanged({ path }: Table, what: string): Error {
  return fileInvalid(
    path,
    `its rows changed since they were read: ${what}`,
    "Rows may only be added at the end. Restore the file, or read all of it anew with --fresh: rows that are as they were are not asked again.",
  );
}

async function digestOf({ path }: InputSettings): Promise<string | null> {
  if (path === "-") return null;
  const bytes = await openBytes(path);
  try {
    return await bytes.digest();
  } finally {
    await bytes.close();
  }
}

async function withLock<T>(settings: JobSettings, work: () => Promise<T>): Promise<T> {
  const manager = new BatchFileManager(settings.batchDir, settings);
  await openStateFolder(manager.files, manager.folder);
  await manager.files.write(join(settings.batchDir, ".gitignore"), "*\n");
  const executionId = `input-${randomBytes(2).toString("hex")}`;
  const owner = { pid: process.pid, host: hostname(), executionId, since: new Date().toISOString() };
  const lock = OwnerLock.take(manager.folder, owner, settings.job);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

function shellName(column: string): string {
  return /^[\w.-]+$/.test(column) ? column : `'${column.replaceAll("'", String.raw`'\''`)}'`;
}

function amount(count: number, one: string, many: string): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
