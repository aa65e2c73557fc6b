import type { Clocks } from "../clocks.ts";
import type { Events, RunSnapshot } from "../events.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import type { Lag } from "../lag.ts";
import type { Pipeline } from "../pipeline.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { type ContinuousState, loadContinuous, saveContinuous } from "../state/continuous-file.ts";
import { updatedAtOf } from "../stores/updated-at.ts";
import type { StoreWatch } from "../traffic/store-watch.ts";
import type { Growing } from "./growing.ts";
import { LagMeter } from "./lag-meter.ts";
import type { OpenJob } from "./open-job.ts";
import { SourceWatch } from "./source-watch.ts";

export interface ContinuousOptions extends Clocks {
  readonly settings: JobSettings;
  readonly manager: BatchFileManager;
  readonly open: OpenJob;
  readonly executionId: string;
  readonly events: Events;
  readonly pipeline: Pipeline;
  /** Keys of items that are read ahead, in flight or not stored yet. */
  readonly active: ReadonlySet<ItemKey>;
  readonly storeWatch: StoreWatch;
  /** Items that are left until they are quiet. */
  readonly notQuiet: () => number;
  /** Told of marked documents whose text may be another one; null when settled items are left alone. */
  readonly growing: Pick<Growing, "changed" | "owedFrom"> | null;
}

/** What is only there in continuous mode: who wakes it, and how far it is behind. */
export interface Continuous {
  readonly lag: Lag;
  readonly watch: RunSnapshot["watch"];
  close(): Promise<void>;
}

const TICK_MS = 1_000;
/** Token and lag are written down no more often than this, in ms, and only when they are others. */
const SAVE_MS = 10_000;

/** Opens what continuous mode has beside its poll. @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's) */
export async function openContinuous(options: ContinuousOptions): Promise<Continuous> {
  const { settings, manager, open, executionId, events, pipeline, active, storeWatch, growing, steadyNow } = options;
  const { files, folder, identity } = manager;
  const { sourceCollection, mark, filter } = settings;
  const place = `${open.store.sourceAddress ?? open.store.address} ${sourceCollection}`;
  const before = await loadContinuous(files, folder, identity);
  let resumeToken = before?.source === place ? before.resumeToken : null;
  const path = settings.growing?.updatedAt ?? null;
  const fields = path === null ? [] : [path.split(".")[0]!];
  const ids = open.store.source({ collection: sourceCollection, mark, filter, fields });
  const meter = new LagMeter({
    first: async () => (await ids.readUnprocessed(null, 1)).documents[0] ?? null,
    passSinceMs: () => pipeline.feed.passSinceMs,
    known: () => active.size + manager.retryQueue.size + options.notQuiet(),
    isAway: () => storeWatch.waiting !== null || open.lease.holdReason() !== null,
    updatedAtMs: (document) => (path === null ? null : updatedAtOf(document, path)),
    now: options.now,
    steadyNow,
  });
  const watch =
    settings.watch === "off" || open.source.watch === undefined
      ? null
      : new SourceWatch({
          source: open.source,
          executionId,
          events,
          // Without marks in the source nobody can tell whether a changed document is settled.
          wakes: ({ kind }) => kind !== "text" || settings.markIn === "target",
          isActive: (key) => active.has(key),
          onWake: () => pipeline.feed.poke(),
          onChanged: (keys) => growing?.changed(keys, resumeToken),
          onToken: (token) => {
            resumeToken = token;
          },
        });
  let saved = "";
  let savedMs = Number.NEGATIVE_INFINITY;
  const save = async (): Promise<void> => {
    const { sinceMs, basis, ms } = meter.value;
    // The age of what waits follows from the time: only a lag of none has to be told from an unknown one.
    const lag: Lag = { ms: sinceMs === null ? ms : null, sinceMs, basis };
    const token = growing?.owedFrom ?? resumeToken;
    const now = JSON.stringify([token, lag]);
    if (now === saved) return;
    saved = now;
    savedMs = steadyNow();
    const state: Omit<ContinuousState, "savedAt"> = {
      format: 1,
      ...identity,
      executionId,
      source: place,
      resumeToken: token,
      lag,
    };
    // A disk that is full or broken shows where outcomes are written.
    await saveContinuous(files, folder, { ...state, savedAt: new Date(options.now()).toISOString() }).catch(() => {});
  };
  let saving: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    void meter.tick();
    if (steadyNow() - savedMs >= SAVE_MS) saving = saving.then(save);
  }, TICK_MS);
  watch?.open(resumeToken);
  return {
    get lag() {
      return meter.value;
    },
    get watch() {
      return watch?.state ?? null;
    },
    async close() {
      clearInterval(timer);
      await watch?.close();
      saving = saving.then(save);
      await saving;
    },
  };
}
