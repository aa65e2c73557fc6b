import { join } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { Item, ItemKey } from "../item.ts";
import { type EndpointSettings, type Fingerprint, jobFlagOf, type Reclassify } from "../job.ts";
import type { Prompt } from "../llm/provider.ts";
import {
  applyAbsorbed,
  applyReopening,
  applyRequeue,
  applySettlement,
  applySpend,
  applyUnmarking,
  EMPTY_JOB_STATE,
  type JobState,
  type Settlement,
} from "../outcome.ts";
import { staleReasons } from "../staleness.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Checkpoint } from "../state/checkpoint.ts";
import { type JournalEntry, type JournalScan, readJournal } from "../state/journal.ts";
import { RECLASSIFICATION_FILE } from "../state/reclassification.ts";
import type { Settled } from "../store.ts";

/** What an earlier execution left in a job's folder. */
export interface Leftover {
  readonly checkpoint: Checkpoint | null;
  readonly scan: JournalScan;
  readonly state: JobState;
  readonly stateSeq: number;
  /** Journaled outcomes that store and source did not confirm, by their seq, with their item: stored again, asked never. */
  readonly unsunk: ReadonlyMap<number, ItemKey>;
  /** Keys of calls that were under way. */
  readonly inFlight: readonly string[];
  readonly suspects: Checkpoint["suspects"];
  /** Damaged records in checkpoint and journal. */
  readonly damaged: readonly string[];
  /** The earlier process died: it neither ended nor drained. */
  readonly unclean: boolean;
}

/**
 * Looks at what is there without changing anything.
 * @param archiveAs for `--fresh`: state that cannot be read is archived under this name, with whatever it held
 * @throws QuerymillError STATE_NEWER, STATE_DAMAGED, when it is not to be archived
 */
export async function inspectLeftover(manager: BatchFileManager, archiveAs: string | null = null): Promise<Leftover> {
  try {
    return await readLeftover(manager);
  } catch (error) {
    if (archiveAs === null || !(error instanceof QuerymillError)) throw error;
    await archive(manager, archiveAs);
    return await readLeftover(manager);
  }
}

async function readLeftover(manager: BatchFileManager): Promise<Leftover> {
  const { checkpoint, damaged } = await manager.checkpoints.load(manager.identity);
  const started = new Set<string>();
  const unsunk = new Map<number, string>();
  const settledSuspects = new Set<string>();
  let state: JobState | null = checkpoint?.state ?? null;
  let stateSeq = checkpoint?.stateSeq ?? 0;
  let settlements = 0;
  const pending: { seq: number; entry: JournalEntry }[] = [];
  const scan = await readJournal(manager.files, manager.journalFolder, manager.identity, ({ seq, entry }) => {
    noteProgress(entry, seq, started, unsunk, checkpoint?.sunkSeq ?? 0);
    if (entry.kind === "settled") {
      settlements += 1;
      const { key, executionId } = entry.settlement;
      // What an earlier execution settled can be a suspect again: it is being classified again.
      if (checkpoint !== null && executionId === checkpoint.executionId && key in checkpoint.suspects)
        settledSuspects.add(key);
    }
    if (state !== null) {
      if (seq > stateSeq) state = applyEntry(state, entry);
    } else if (affectsState(entry)) pending.push({ seq, entry });
  });
  if (state === null) {
    state = scan.base?.state ?? EMPTY_JOB_STATE;
    stateSeq = scan.base?.seq ?? 0;
    // The oldest header may be damaged: the one that was found then stands behind some of these.
    for (const { seq, entry } of pending) if (seq > stateSeq) state = applyEntry(state, entry);
  }
  if (checkpoint !== null && checkpoint.stateSeq > scan.lastSeq) throw mixedState(manager, checkpoint, scan);
  const suspects = Object.fromEntries(
    Object.entries(checkpoint?.suspects ?? {}).filter(([key]) => !settledSuspects.has(key)),
  );
  return {
    checkpoint,
    scan,
    state,
    stateSeq: scan.lastSeq,
    unsunk,
    inFlight: [...started],
    suspects,
    damaged: [...damaged, ...scan.damaged.map(({ segment }) => `journal segment ${segment}`)],
    unclean: checkpoint === null ? settlements > 0 : checkpoint.status === "running",
  };
}

/** Hands each outcome that was journaled but not stored to `visit`, in order, one segment in memory at a time. */
export async function replayUnsunk(
  manager: BatchFileManager,
  leftover: Leftover,
  visit: (seq: number, settlement: Settlement) => Promise<void>,
): Promise<void> {
  if (leftover.unsunk.size === 0) return;
  await readJournal(manager.files, manager.journalFolder, manager.identity, async ({ seq, entry }) => {
    if (entry.kind === "settled" && leftover.unsunk.has(seq)) await visit(seq, entry.settlement);
  });
}

/** Copies damaged journal bytes aside, so that a person can look at them. @returns how many */
export async function quarantine(manager: BatchFileManager, leftover: Leftover, stamp: string): Promise<number> {
  const folder = join(manager.folder, "quarantine");
  const { damaged } = leftover.scan;
  if (damaged.length > 0) await manager.files.makeFolder(folder);
  for (const [index, { segment, bytes }] of damaged.entries()) {
    await manager.files.write(join(folder, `${stamp}-segment-${segment}-${index}.bin`), bytes);
  }
  return leftover.damaged.length;
}

/** Moves what `--fresh` leaves behind into a dated archive; dead letters and ledger stay. */
export async function archive(manager: BatchFileManager, stamp: string): Promise<string> {
  const folder = join(manager.folder, "archive", stamp);
  await manager.files.makeFolder(folder);
  await manager.retryQueue.close();
  const present = await manager.files.list(manager.folder);
  for (const name of [
    "journal",
    "batches",
    "checkpoint-0.json",
    "checkpoint-1.json",
    "retry.queue",
    RECLASSIFICATION_FILE,
  ]) {
    if (present.includes(name)) await manager.files.rename(join(manager.folder, name), join(folder, name));
  }
  await manager.files.syncFolder(manager.folder);
  await manager.retryQueue.open();
  return folder;
}

/** What `--fresh` goes on from: the ledger and the dead letters, nothing that waits. */
export function freshLeftover(before: Leftover): Leftover {
  const state = { ...before.state, totals: { ...before.state.totals, retryQueued: 0 } };
  return {
    checkpoint: null,
    scan: { segments: new Map(), lastSeq: 0, damaged: [], base: null },
    state,
    stateSeq: 0,
    unsunk: new Map(),
    inFlight: [],
    suspects: {},
    damaged: [],
    unclean: false,
  };
}

/** Whether the target has an item's answer to the very same question: the text, the taxonomy, the prompt, a model of the job. */
export function isSameQuestion(
  settled: Settled,
  item: Item,
  prompt: Prompt,
  endpoints: readonly EndpointSettings[],
): boolean {
  if (settled.contentHash !== item.contentHash) return false;
  // Where offline is what answers first, a better answer that was paid for is as good.
  const any = endpoints.some(({ model, fallback }) => model.provider === "offline" && fallback === 0);
  return staleReasons(settled, prompt, endpoints).every((reason) => any && reason === "model");
}

/** @returns suspects after a crash with these calls under way */
export function nextSuspects(before: Checkpoint["suspects"], inFlight: readonly string[]): Checkpoint["suspects"] {
  const suspects = { ...before };
  for (const key of inFlight) {
    const { crashes, alone } = suspects[key] ?? { crashes: 0, alone: 0 };
    suspects[key] = { crashes: crashes + 1, alone: alone + (inFlight.length === 1 ? 1 : 0) };
  }
  return suspects;
}

/**
 * What a plain batch run says instead of going on after an unclean death.
 * @param usdPerCall mean cost of a call of this job, or null
 */
export function uncleanMessage(
  settings: { readonly tenant: string; readonly job: string },
  leftover: Leftover,
  usdPerCall: number | null,
): string {
  const { job } = settings;
  const flag = jobFlagOf(settings);
  const { checkpoint, unsunk, inFlight, state } = leftover;
  const stored = state.totals.classified + state.totals.skipped + state.totals.deadLetters - unsunk.size;
  const cost = usdPerCall === null ? "" : `, about $${(usdPerCall * inFlight.length).toFixed(2)}`;
  const when =
    checkpoint === null ? "" : `: execution ${checkpoint.executionId}, last checkpoint ${checkpoint.savedAt}`;
  return [
    `${job} did not end cleanly${when}.`,
    `  ${Math.max(0, stored).toLocaleString("en-US")} outcomes are stored, ${unsunk.size.toLocaleString("en-US")} are in the journal and will be stored without asking again.`,
    `  ${inFlight.length.toLocaleString("en-US")} calls were under way and may be paid twice${cost}.`,
    "",
    `  Go on where it was:   querymill run ${flag} --recover`,
    `  Start over:           querymill run ${flag} --fresh    (keeps ledger, dead letters)`,
  ].join("\n");
}

/** Differences that a reclassification is asked for to undo: with them everything is comparable again at its end. */
export const UNDONE_BY: Readonly<Record<Reclassify, readonly (keyof Fingerprint)[]>> = {
  all: ["taxonomy", "prompt", "model", "mapping"],
  stale: ["taxonomy", "prompt", "model"],
  changed: ["mapping"],
};

/**
 * @param fromFile the job is that of a file, which has no other target than its own
 * @returns QuerymillError FINGERPRINT_CHANGED naming the fields that differ
 */
export function fingerprintChanged(
  { job, fromFile }: { readonly job: string; readonly fromFile: boolean },
  before: Fingerprint,
  now: Fingerprint,
  fields: readonly (keyof Fingerprint)[],
): QuerymillError {
  const lines = fields.map((field) =>
    field === "mapping"
      ? "  mapping: what source says of the texts (preset, text, messages, maxChars) or redact changed, so the model would see others"
      : `  ${field}: ${before[field]} before, ${now[field]} now`,
  );
  const undone = fields.filter((field) => UNDONE_BY.stale.includes(field));
  // A reclassification undoes what it names; anything else has to be accepted beside it.
  const again = undone.length === fields.length ? "--reclassify stale" : "--reclassify stale --accept-changes";
  return new QuerymillError(
    "FINGERPRINT_CHANGED",
    [
      `Job ${job} was started with other settings, so its results would not be comparable:`,
      ...lines,
      "",
      "  Go on with the new ones:  --accept-changes",
      ...(undone.length === 0
        ? []
        : [`  And with the old items:   ${again}    (first with --dry-run: how many, what they cost)`]),
      fromFile
        ? "  Keep them apart:          --batch-dir DIR with another folder: the file is a job of its own there"
        : "  Keep them apart:          --job NAME with another --target-collection",
    ].join("\n"),
  );
}

function noteProgress(
  entry: JournalEntry,
  seq: number,
  started: Set<string>,
  unsunk: Map<number, string>,
  sunkSeq: number,
): void {
  if (entry.kind === "start") started.add(entry.key);
  if (entry.kind === "released") started.delete(entry.key);
  if (entry.kind === "crash") for (const key of entry.keys) started.delete(key);
  if (entry.kind === "settled") {
    started.delete(entry.settlement.key);
    if (seq > sunkSeq) unsunk.set(seq, entry.settlement.key);
  }
  // Taken back: storing it again would take it back again.
  if (entry.kind === "reopened") for (const [at, key] of unsunk) if (key === entry.key) unsunk.delete(at);
  if (entry.kind === "sunk")
    for (const [from, to] of entry.seqs) for (let sunk = from; sunk <= to; sunk += 1) unsunk.delete(sunk);
}

const affectsState = (entry: JournalEntry): boolean =>
  entry.kind !== "start" && entry.kind !== "sunk" && entry.kind !== "header";

function applyEntry(state: JobState, entry: JournalEntry): JobState {
  switch (entry.kind) {
    case "settled":
      return applySettlement(state, entry.settlement);
    case "reopened":
      return applyReopening(state, entry.outcome);
    case "released":
    case "crash":
      return applySpend(state, entry.spend, entry.atMs);
    case "requeued":
      return applyRequeue(state, entry.items);
    case "absorbed":
      return applyAbsorbed(state, entry);
    case "unmarked":
      return applyUnmarking(state, entry);
    default:
      return state;
  }
}

function mixedState(manager: BatchFileManager, checkpoint: Checkpoint, scan: JournalScan): QuerymillError {
  return new QuerymillError(
    "STATE_DAMAGED",
    `The checkpoint in ${manager.folder} knows of ${checkpoint.stateSeq} journal records, but the journal ends at ${scan.lastSeq}: they are from different times. Restore both from the same backup, or start over with --fresh.`,
  );
}
