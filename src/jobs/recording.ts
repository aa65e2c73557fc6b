import type { Clocks } from "../clocks.ts";
import type { QuerymillError } from "../errors.ts";
import type { Events, StopReason } from "../events.ts";
import { type Item, type ItemKey, keyOf, type Skipped } from "../item.ts";
import type { JobSettings } from "../job.ts";
import type { Settlement } from "../outcome.ts";
import { Recorder } from "../recorder.ts";
import { RECOVERY_BACKLOG_ITEMS, Sink } from "../sink.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { Journal } from "../state/journal.ts";
import type { SourceDocument } from "../store.ts";
import type { StoreWatch } from "../traffic/store-watch.ts";
import type { Adapters } from "./adapters.ts";
import type { OpenJob } from "./open-job.ts";
import { type Leftover, replayUnsunk } from "./recovery.ts";

/** The part of an execution that keeps outcomes: journal, counts, sink. */
export interface Recording {
  readonly journal: Journal;
  readonly recorder: Recorder;
  readonly sink: Sink;
}

export interface RecordingOptions extends Clocks {
  readonly manager: BatchFileManager;
  readonly settings: JobSettings;
  readonly adapters: Adapters;
  readonly executionId: string;
  readonly events: Events;
  readonly watch: StoreWatch;
  /** Called when the store knows of an item all that has to be known: it may be forgotten here. */
  readonly onStored: (key: ItemKey) => void;
  readonly onFatal: (reason: StopReason, error: QuerymillError) => void;
}

/** Begins where the leftover ends. @throws QuerymillError STATE_UNWRITABLE */
export async function openRecording(open: OpenJob, leftover: Leftover, options: RecordingOptions): Promise<Recording> {
  const { manager, settings, adapters, executionId, events, now, steadyNow, watch, onStored, onFatal } = options;
  const recorder = new Recorder({ events, executionId, state: leftover.state, seq: leftover.stateSeq, now, steadyNow });
  const journal = await Journal.open(manager.files, manager.journalFolder, manager.identity, () => recorder.state, {
    seq: leftover.stateSeq,
    segments: leftover.scan.segments,
  });
  recorder.attach(journal);
  const sink = new Sink({
    source: open.source,
    target: open.target,
    retryQueue: manager.retryQueue,
    deadLetters: manager.deadLetters,
    recorder,
    journal,
    events,
    job: settings.job,
    executionId,
    fence: open.lease.fence,
    get rounds() {
      return settings.retry.rounds;
    },
    keyOf: (document) => keyOf(document._id),
    isChanged: (document, settlement) => isChanged(adapters.makeItem(document), settlement),
    restored: settings.redaction.restore
      ? (document, settlement) => restoredRecord(document, settlement, adapters)
      : null,
    unsunk: leftover.unsunk.keys(),
    watch,
    confirm: () => open.lease.confirm(),
    now,
    steadyNow,
    onFatal,
    onStored,
  });
  return { journal, recorder, sink };
}

/**
 * Stores what an earlier execution journaled: free, and nobody is asked. New work can go on meanwhile.
 * @param signal leaves the rest to the next execution
 */
export async function storeJournaled(
  manager: BatchFileManager,
  leftover: Leftover,
  sink: Sink,
  signal: AbortSignal,
  visit: (settlement: Settlement) => void = () => {},
): Promise<void> {
  await replayUnsunk(manager, leftover, async (seq, settlement) => {
    if (signal.aborted) return;
    await sink.room(RECOVERY_BACKLOG_ITEMS);
    visit(settlement);
    sink.push(seq, settlement);
  });
  await sink.drain();
}

/** The values come from the document as it is now: nothing on this machine has kept them. */
function restoredRecord(document: SourceDocument, settlement: Settlement, { makeItem, privacy }: Adapters) {
  if (settlement.outcome !== "classified" || privacy === null) return null;
  const read = makeItem(document);
  return "reason" in read ? null : privacy.restored(read, settlement.record);
}

function isChanged(read: Item | Skipped, settlement: Settlement): boolean {
  // Then it cannot be told.
  if ("reason" in read && read.reason === "redaction failed") return false;
  if ("reason" in read) return settlement.outcome !== "skipped";
  return (
    settlement.outcome === "skipped" || (settlement.contentHash !== null && read.contentHash !== settlement.contentHash)
  );
}
