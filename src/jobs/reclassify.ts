import { messageOf, QuerymillError } from "../errors.ts";
import type { StopReason } from "../events.ts";
import { type ItemKey, keyOf, type SkipReason } from "../item.ts";
import type { Fingerprint, JobSettings, Reclassify } from "../job.ts";
import type { Recorder } from "../recorder.ts";
import { type StaleReason, staleReasons } from "../staleness.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import {
  loadReclassification,
  type Reclassification,
  removeReclassification,
  saveReclassification,
} from "../state/reclassification.ts";
import { stopReasonOf } from "../stop-reason.ts";
import type { Cursor, Page, Settled, Source, Target } from "../store.ts";
import { insist } from "../traffic/insist.ts";
import type { StoreWatch } from "../traffic/store-watch.ts";
import type { Adapters } from "./adapters.ts";
import type { OpenJob } from "./open-job.ts";

/** Why an item is classified again. `text`: it changed, or there is one now. `all`: that was asked for. */
export type AgainReason = StaleReason | "text" | "all";

/** What a reclassification touches. */
export interface ReclassificationPreview {
  readonly which: Reclassify;
  /** Settled items of this job that were looked at. */
  readonly settled: number;
  /** Of these, the items that are classified again. */
  readonly items: number;
  /** Items for each reason; one item can have several. */
  readonly reasons: Readonly<Partial<Record<AgainReason, number>>>;
  /** Would be touched, and are not: a person decided them. */
  readonly keptByPerson: number;
}

interface PageFound {
  readonly keys: readonly ItemKey[];
  readonly settled: number;
  readonly reasons: readonly AgainReason[];
  readonly keptByPerson: number;
  readonly texts: readonly string[];
  readonly cursor: Cursor;
  readonly last: boolean;
}

type Outcome = "classified" | "skipped";
type Chosen = Pick<JobSettings, "job" | "endpoints">;

const PAGE = 500;
const KEPT_EXECUTIONS = 500;
const SAMPLE = 100;
/** As many settled items are looked at before `--fresh`, in pages. */
const FRESH_PAGES = 20;

/**
 * Counts what `--reclassify` would touch; changes nothing.
 * @returns with texts of up to 100 of the items, evenly drawn, to estimate what they cost
 */
export async function previewReclassification(
  source: Source,
  target: Target,
  which: Reclassify,
  settings: Chosen & Pick<JobSettings, "limit">,
  adapters: Adapters,
): Promise<ReclassificationPreview & { readonly texts: readonly string[] }> {
  let [settled, items, keptByPerson, seen] = [0, 0, 0, 0];
  const reasons: Partial<Record<AgainReason, number>> = {};
  const texts: string[] = [];
  const read = readerOf(source, target, which, settings, adapters);
  for (const outcome of outcomesOf(which))
    for (let after: Cursor | null = null, last = false; !last; ) {
      const page: PageFound = await read(outcome, after, () => false);
      settled += page.settled;
      items += page.keys.length;
      keptByPerson += page.keptByPerson;
      for (const reason of page.reasons) reasons[reason] = (reasons[reason] ?? 0) + 1;
      for (const text of page.texts) {
        seen += 1;
        const place = texts.length < SAMPLE ? texts.length : Math.floor(Math.random() * seen);
        if (place < SAMPLE) texts[place] = text;
      }
      ({ cursor: after, last } = page);
    }
  const touched = settings.limit === null ? items : Math.min(items, settings.limit);
  return { which, settled, items: touched, reasons, keptByPerson, texts };
}

/**
 * What `--fresh` leaves as it is, since the target has it: answers to another question than the present one.
 * @returns a sentence for the user; null when there are none
 */
export async function keptByFresh(
  source: Source,
  target: Target,
  settings: Chosen & Pick<JobSettings, "fresh" | "reclassify" | "retryOnly">,
  adapters: Adapters,
): Promise<string | null> {
  if (!settings.fresh || settings.reclassify !== null || settings.retryOnly !== null) return null;
  const read = readerOf(source, target, "stale", settings, adapters);
  const reasons = new Set<AgainReason>();
  let items = 0;
  let after: Cursor | null = null;
  let last = false;
  for (let pages = 0; !last && pages < FRESH_PAGES; pages += 1) {
    const page: PageFound = await read("classified", after, () => false);
    items += page.keys.length;
    for (const reason of page.reasons) reasons.add(reason);
    ({ cursor: after, last } = page);
  }
  if (items === 0) return null;
  const count = `${last ? "" : "At least "}${items.toLocaleString("en-US")}`;
  const [verb, stay, them] =
    items === 1 ? ["item has an answer", "stays", "it"] : ["items have answers", "stay", "them"];
  return `${count} ${verb} of another ${[...reasons].join(" or ")} and ${stay} as ${items === 1 ? "it is" : "they are"}: --reclassify stale asks ${them} again.`;
}

export interface ReclassifyOptions {
  readonly manager: BatchFileManager;
  readonly settings: Chosen & Pick<JobSettings, "fresh" | "reclassify" | "limit" | "retryOnly">;
  readonly adapters: Adapters;
  readonly open: Pick<OpenJob, "source" | "target" | "lease">;
  readonly recorder: Recorder;
  readonly fingerprint: Fingerprint;
  readonly executionId: string;
  readonly now: () => number;
  /** Resolves when what was journaled is stored: its marks are among those that are looked at. */
  readonly recovered: Promise<void>;
  readonly watch: StoreWatch;
  readonly signal: AbortSignal;
  /** Tells the user at the start. */
  readonly note: (text: string) => void;
  /** Ends the run before it begins. */
  readonly stop: (reason: StopReason, message: string) => void;
}

/** A reclassification that is under way. */
export interface UnderWay {
  readonly which: Reclassify;
  /** When it began, epoch ms. */
  readonly sinceMs: number;
  /** Items that lost their marks just now. */
  readonly unmarked: number;
  /** True when an earlier execution began it. */
  readonly goesOn: boolean;
  /** True for a record from before it: when its item is unprocessed, it is not done. */
  readonly replaces: (settled: Settled) => boolean;
  /** True for a record that must not be taken for the answer, although it was made from the same text with the same settings. */
  readonly refuses: (settled: Settled) => boolean;
  /** What was unmarked is worked off. */
  end(): Promise<void>;
}

/**
 * What `--reclassify` asks for, or an earlier execution began; done before anything is asked.
 * @returns null when none is under way, or it could not be begun and the run stops
 */
export async function beginReclassification(options: ReclassifyOptions): Promise<UnderWay | null> {
  try {
    const again = await reclassify(options);
    if (again !== null) options.note(noteOf(again));
    else {
      const { open, settings, adapters, watch, signal } = options;
      const kept = await insist(() => keptByFresh(open.source, open.target, settings, adapters), watch, signal);
      if (kept !== null) options.note(kept);
    }
    return again;
  } catch (error) {
    const reason = error instanceof QuerymillError ? stopReasonOf(error.code) : undefined;
    if (reason !== undefined) options.stop(reason, messageOf(error));
    else if (!options.signal.aborted) throw error;
    return null;
  }
}

/**
 * Takes the marks of the items away that are to be classified again, page by page, before anything is asked: then they
 * are unprocessed, and the run reads them as any other item. What an earlier execution began is finished first.
 *
 * A page is written down with its keys, counted in the journal, then unmarked. Whatever the process dies between, the
 * next run does the same page again: the journal counts its number once, and unmarking twice changes nothing.
 * @returns null when none is under way
 */
async function reclassify(options: ReclassifyOptions): Promise<UnderWay | null> {
  const { manager, settings, fingerprint, executionId } = options;
  const { files, folder, identity } = manager;
  if (settings.retryOnly !== null) return null;
  const before = await loadReclassification(files, folder, identity);
  if (before === null && settings.reclassify === null) return null;
  await options.recovered;
  if (before?.page) await takePage(options, before, before.page);
  const same = before !== null && JSON.stringify(before.fingerprint) === JSON.stringify(fingerprint);
  const wanted = settings.reclassify;
  const goesOn =
    before !== null &&
    (wanted === null || (same && before.which === wanted && (wanted === "all" || before.phase === "unmarking")));
  const state: Reclassification = goesOn
    ? {
        ...before,
        page: null,
        phase: wanted === null ? before.phase : "unmarking",
        left: wanted === null ? before.left : settings.limit,
        executions: [...before.executions.slice(1 - KEPT_EXECUTIONS), executionId],
      }
    : {
        format: 1,
        ...identity,
        which: wanted!,
        fingerprint,
        sinceMs: options.now(),
        executions: [executionId],
        phase: "unmarking",
        left: settings.limit,
        outcome: "classified",
        cursor: null,
        page: null,
      };
  await saveReclassification(files, folder, state);
  const executions = new Set(state.executions);
  const isFromBefore = ({ executionId: by }: Settled): boolean => by === null || !executions.has(by);
  const { phase, items } =
    state.phase === "unmarking" ? await takeMarks(options, state, isFromBefore) : { ...state, items: 0 };
  return {
    which: state.which,
    sinceMs: state.sinceMs,
    unmarked: items,
    goesOn,
    replaces: isFromBefore,
    refuses: (settled) => state.which === "all" && isFromBefore(settled),
    end: async () => {
      if (phase === "asking") await removeReclassification(files, folder);
    },
  };
}

/** @returns how many items lost their marks, and the phase it ends in */
async function takeMarks(
  options: ReclassifyOptions,
  begun: Reclassification,
  isFromBefore: (settled: Settled) => boolean,
): Promise<{ readonly items: number; readonly phase: Reclassification["phase"] }> {
  const { manager, settings, adapters, open, watch, signal, recorder } = options;
  const save = (state: Reclassification) => saveReclassification(manager.files, manager.folder, state);
  const read = readerOf(open.source, open.target, begun.which, settings, adapters);
  let state = begun;
  let items = 0;
  for (const outcome of outcomesOf(begun.which)) {
    if (state.left === 0 || (outcome === "classified" && begun.outcome === "skipped")) continue;
    if (state.outcome !== outcome) state = { ...state, outcome, cursor: null };
    for (let last = false; !last && state.left !== 0; ) {
      if (signal.aborted) return { items, phase: state.phase };
      const size = Math.min(PAGE, state.left ?? PAGE);
      const found = await insist(
        () => read(outcome, state.cursor, (settled) => !isFromBefore(settled), size),
        watch,
        signal,
      );
      const { keys } = found;
      state = { ...state, cursor: found.cursor, left: state.left === null ? null : state.left - keys.length };
      if (keys.length > 0) {
        const page = { number: (recorder.state.unmarkedPages ?? 0) + 1, keys };
        await save({ ...state, page });
        await takePage(options, state, page);
      }
      items += keys.length;
      last = found.last;
    }
  }
  const phase = state.left === 0 ? "limited" : "asking";
  await save({ ...state, phase, page: null });
  return { items, phase };
}

function noteOf({ which, unmarked, goesOn }: Pick<UnderWay, "which" | "unmarked" | "goesOn">): string {
  const items = unmarked.toLocaleString("en-US");
  if (unmarked === 0)
    return goesOn
      ? `The reclassification that is under way (${which}) goes on: no further item is added.`
      : `No settled item is to be classified again (--reclassify ${which}).`;
  return `${items} ${unmarked === 1 ? "item is" : "items are"} classified again (--reclassify ${which}).`;
}

/** Counts a page in the journal, then takes its marks away. */
async function takePage(
  { recorder, open, watch, signal }: ReclassifyOptions,
  { outcome }: Reclassification,
  { number, keys }: NonNullable<Reclassification["page"]>,
): Promise<void> {
  await recorder.unmarked({ page: number, outcome: outcome as Outcome, items: keys.length });
  await insist(() => open.lease.confirm().then(() => open.source.unmark(keys)), watch, signal);
}

function outcomesOf(which: Reclassify): readonly Outcome[] {
  // What was skipped has no record that could be stale.
  return which === "stale" ? ["classified"] : ["classified", "skipped"];
}

/** @returns a function that reads a page of settled items and picks those that are to be classified again */
function readerOf(
  source: Source,
  target: Target,
  which: Reclassify,
  { job, endpoints }: Chosen,
  { makeItem, prompt }: Adapters,
) {
  return async (
    outcome: Outcome,
    after: Cursor | null,
    isDone: (settled: Settled) => boolean,
    size = PAGE,
  ): Promise<PageFound> => {
    const { documents, cursor, last }: Page = await source.readMarked({ job, outcome }, after, size);
    const records = outcome === "classified" ? await target.findSettled(documents.map(({ _id }) => keyOf(_id))) : [];
    const byKey = new Map(records.map((settled) => [settled.key, settled]));
    const keys: ItemKey[] = [];
    const texts: string[] = [];
    const reasons: AgainReason[] = [];
    let keptByPerson = 0;
    for (const document of documents) {
      const item = makeItem(document);
      const settled = byKey.get(item.key) ?? null;
      const why = reasonsOf(which, outcome, settled, item);
      if (why.length === 0 || (settled !== null && isDone(settled))) continue;
      if (settled?.decidedBy === "person") keptByPerson += 1;
      else {
        keys.push(item.key);
        reasons.push(...why);
        if ("text" in item) texts.push(item.text);
      }
    }
    return { keys, settled: documents.length, reasons, keptByPerson, texts, cursor, last };
  };

  function reasonsOf(
    wanted: Reclassify,
    outcome: Outcome,
    settled: Settled | null,
    read: { readonly contentHash: string } | { readonly reason: SkipReason },
  ): AgainReason[] {
    const hash = "contentHash" in read ? read.contentHash : null;
    // There is nothing to ask any more: the record stays as it is.
    if (hash === null) return [];
    if (outcome === "skipped") return ["text"];
    if (wanted === "all") return ["all"];
    if (settled === null) return [];
    if (wanted === "stale") return staleReasons(settled, prompt, endpoints);
    return settled.contentHash === hash ? [] : ["text"];
  }
}
