import { QuerymillError } from "../../src/errors.ts";
import type { ItemKey } from "../../src/item.ts";
import { inspectLeftover, replayUnsunk } from "../../src/jobs/recovery.ts";
import {
  applyReopening,
  applyRequeue,
  applySettlement,
  applySpend,
  EMPTY_JOB_STATE,
  type JobState,
  type Settlement,
} from "../../src/outcome.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { decodeFrames } from "../../src/state/frame.ts";
import { type JournalEntry, readJournal } from "../../src/state/journal.ts";
import { uniform } from "../../test/support/model-draw.ts";
import { type Choice, type Contents, CrashPlaces, memoryFiles, type Step } from "./disk.ts";
import { JOB } from "./judge.ts";
import { recordJob, recordLargeRecords } from "./recordings.ts";

/** What the program, or the store, claimed at some moment. */
export type Fact =
  /** The outcome of an item is safe. */
  | { readonly kind: "acknowledged"; readonly key: ItemKey; readonly outcome: Settlement["outcome"] }
  /** Store and source have it: the local state may forget it. */
  | { readonly kind: "marked"; readonly keys: readonly ItemKey[] }
  /** Started over: what waits is forgotten on purpose, and records are counted from one again. */
  | { readonly kind: "fresh" };

export interface StatesOptions {
  readonly seed: number;
  /** So many states, drawn by the seed; null for all. */
  readonly sample: number | null;
  readonly onProgress: (checked: number, of: number) => void;
}

export interface StatesReport {
  readonly seed: number;
  readonly recordings: readonly { readonly name: string; readonly steps: number; readonly states: number }[];
  /** Crash states there are, and how many of them were checked. */
  readonly states: number;
  readonly checked: number;
  /** States in which something that was acknowledged is not found. */
  readonly lost: number;
  /** States in which something is found that never was, counts do not fold, or reading fails without a typed error. */
  readonly corrupt: number;
  /** States that recovery refuses to go on from, with a typed error. */
  readonly refused: number;
  /** States in which damage was found and set aside, and nothing was missing. */
  readonly damaged: number;
  readonly examples: readonly string[];
  readonly seconds: number;
}

/** Records real runs on a disk that notes every step, and checks what each power cut could have left of them. */
export async function runStates({ seed, sample, onProgress }: StatesOptions): Promise<StatesReport> {
  const startedMs = performance.now();
  const recordings = [
    {
      name: "a job with two deaths, retries and dead letters",
      steps: await recordJob(seed),
    },
    { name: "records of 200 kB over several segments", steps: await recordLargeRecords() },
  ];
  const sizes = recordings.map(({ name, steps }) => ({ name, steps: steps.length, states: countStates(steps, seed) }));
  const states = sizes.reduce((sum, size) => sum + size.states, 0);
  const share = sample === null ? 1 : sample / states;
  const counts = { checked: 0, lost: 0, corrupt: 0, refused: 0, damaged: 0 };
  const examples: string[] = [];
  for (const { name, steps } of recordings) {
    let number = 0;
    const truth = new Truth();
    for (const place of crashPlaces(steps, seed)) {
      for (const step of place.passed) truth.learn(step);
      for (const choice of place.choices) {
        number += 1;
        if (share < 1 && uniform(`${seed}/${name}/${number}`, 51) >= share) continue;
        const verdict = await check(place.places.state(choice), truth);
        counts.checked += 1;
        if (counts.checked % 5_000 === 0) onProgress(counts.checked, Math.round(states * share));
        if (verdict.kind !== "sound") counts[verdict.kind] += 1;
        if (verdict.kind !== "sound" && verdict.kind !== "damaged" && examples.length < 20)
          examples.push(`${name}, step ${place.at}, state ${number}: ${verdict.kind}: ${verdict.why}`);
      }
    }
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  return { seed, recordings: sizes, states, ...counts, examples, seconds };
}

interface Verdict {
  readonly kind: "sound" | "lost" | "corrupt" | "refused" | "damaged";
  readonly why: string;
}

/** Everything that is known to be true up to some step. */
class Truth {
  /** Records that were written to a journal, by their seq. */
  records = new Map<number, string>();
  /** Last outcome of each item that was acknowledged. */
  acknowledged = new Map<ItemKey, Settlement["outcome"]>();
  marked = new Set<ItemKey>();
  /** Total before the records, when a job was started over. */
  base: JobState = EMPTY_JOB_STATE;
  acknowledgements = 0;

  learn(step: Step<Fact>): void {
    if (step.kind === "data") this.#read(step.bytes);
    if (step.kind !== "said") return;
    const { fact } = step;
    if (fact.kind === "acknowledged") this.acknowledged.set(fact.key, fact.outcome);
    if (fact.kind === "marked") for (const key of fact.keys) this.marked.add(key);
    if (fact.kind === "acknowledged") this.acknowledgements += 1;
  }

  /** @returns the job's state after these records, by its own fold */
  fold(lastSeq: number, missing: (seq: number) => boolean): JobState {
    let state = this.base;
    for (const [seq, json] of this.records) {
      if (seq <= lastSeq && !missing(seq)) state = applied(state, JSON.parse(json) as JournalEntry);
    }
    return state;
  }

  #read(bytes: Buffer): void {
    for (const frame of decodeFrames(bytes)) {
      if (frame.kind !== "record" || !frame.json.startsWith('{"kind":"')) continue;
      if (!frame.json.startsWith('{"kind":"header"')) this.records.set(frame.seq, frame.json);
    }
  }
}

function applied(state: JobState, entry: JournalEntry): JobState {
  if (entry.kind === "settled") return applySettlement(state, entry.settlement);
  if (entry.kind === "reopened") return applyReopening(state, entry.outcome);
  if (entry.kind === "requeued") return applyRequeue(state, entry.items);
  if (entry.kind === "released" || entry.kind === "crash") return applySpend(state, entry.spend, entry.atMs);
  return state;
}

/** Recovers from a state, as a start does, and compares what it finds with what is true. */
async function check(contents: Contents, truth: Truth): Promise<Verdict> {
  const manager = new BatchFileManager("/state", { job: JOB }, memoryFiles(contents));
  try {
    const queues = (await manager.retryQueue.open()).damaged + (await manager.deadLetters.open()).damaged;
    const leftover = await inspectLeftover(manager);
    const unsunk = new Map<ItemKey, Settlement>();
    await replayUnsunk(manager, leftover, async (_, settlement) => {
      unsunk.set(settlement.key, settlement);
    });
    for await (const { items } of manager.batches.leftovers()) if (items?.some(({ text }) => text === "")) break;
    const seen = new Set<number>();
    let strange: string | null = null;
    await readJournal(manager.files, manager.journalFolder, manager.identity, ({ seq, entry }) => {
      seen.add(seq);
      if (truth.records.get(seq) !== JSON.stringify(entry)) strange ??= `record ${seq} was never written`;
    });
    const lost = lostOf(truth, unsunk, manager);
    if (lost !== null)
      return {
        kind: "lost",
        why: `${lost} (journal ends at ${leftover.scan.lastSeq}, ${unsunk.size} to store, checkpoint ${leftover.checkpoint?.generation ?? "none"} of ${leftover.checkpoint?.stateSeq ?? 0}, stored to ${leftover.checkpoint?.sunkSeq ?? 0})`,
      };
    for (const { key } of [...manager.retryQueue.list(), ...manager.deadLetters.list()])
      if (!truth.acknowledged.has(key)) strange ??= `${key} is in a queue and was never settled`;
    const base = leftover.checkpoint?.stateSeq ?? leftover.scan.base?.seq ?? 0;
    const folded = truth.fold(leftover.stateSeq, (seq) => seq > base && !seen.has(seq));
    if (JSON.stringify(folded) !== JSON.stringify(leftover.state))
      strange ??= `counts ${JSON.stringify(leftover.state.totals)}, true are ${JSON.stringify(folded.totals)}`;
    if (strange !== null) return { kind: "corrupt", why: strange };
    return { kind: leftover.damaged.length + queues > 0 ? "damaged" : "sound", why: "" };
  } catch (error) {
    if (error instanceof QuerymillError) return { kind: "refused", why: `${error.code} ${error.message}` };
    return { kind: "corrupt", why: String(error instanceof Error ? error.stack : error) };
  }
}

/** @returns the first acknowledged outcome that is nowhere: not in the store, not in the journal, not in its queue */
function lostOf(
  truth: Truth,
  unsunk: ReadonlyMap<ItemKey, Settlement>,
  { retryQueue, deadLetters }: BatchFileManager,
): string | null {
  for (const [key, outcome] of truth.acknowledged) {
    if (unsunk.has(key)) continue;
    const queued = retryQueue.get(key) !== null;
    const dead = deadLetters.get(key) !== null;
    const marked = truth.marked.has(key);
    const found =
      outcome === "deadLetter" ? dead || queued : outcome === "retryQueued" ? queued || dead || marked : marked;
    if (!found) return `${key}, ${outcome}`;
  }
  return null;
}

interface CrashPlace {
  readonly at: number;
  readonly places: CrashPlaces<Fact>;
  /** Steps since the place before. */
  readonly passed: readonly Step<Fact>[];
  readonly choices: Iterable<Choice>;
}

/** Every place at which a cut can leave something that no cut before it could. */
function* crashPlaces(steps: readonly Step<Fact>[], seed: number): Generator<CrashPlace> {
  const places = new CrashPlaces<Fact>();
  let passed: Step<Fact>[] = [];
  for (const [at, step] of steps.entries()) {
    places.advance(step, at);
    passed.push(step);
    // Claims one after another are one place: the last of them demands most.
    if (step.kind === "said" && steps[at + 1]?.kind === "said") continue;
    const isChange = step.kind !== "said" && step.kind !== "sync" && step.kind !== "syncFolder";
    yield { at, places, passed, choices: choicesAt(places, isChange, `${seed}/${at}`) };
    passed = [];
  }
}

/** Pending changes that are dropped, or arrive, one by one; older ones only in random company. */
const RECENT = 10;
const RANDOM = 3;
const BLOCK = 512;
const TORN = 8;

/** @param isChange whether the newest step is a change: a state without it was there before */
function* choicesAt(places: CrashPlaces<Fact>, isChange: boolean, draw: string): Generator<Choice> {
  const newest = places.pending - 1;
  yield { took: () => true };
  if (newest < 0) return;
  yield { took: (index) => isChange && index === newest };
  for (let index = Math.max(0, newest - RECENT); index < newest + (isChange ? 0 : 1); index += 1) {
    yield { took: (other) => other !== index };
    yield { took: (other) => other === index || (isChange && other === newest) };
  }
  const length = places.newestBytes;
  if (isChange && length !== null) {
    for (const bytes of cuts(length, draw)) {
      for (const zeros of [false, true]) {
        yield { took: () => true, torn: { bytes, zeros } };
        yield { took: (index) => index === newest, torn: { bytes, zeros } };
      }
    }
  }
  for (let round = 0; round < RANDOM; round += 1)
    yield {
      took: (index) => (isChange && index === newest) || uniform(`${draw}/${round}/${index}`, 52) < 0.5,
    };
}

/** Where a write is torn: at the borders of blocks, and within the first one. */
function cuts(length: number, draw: string): number[] {
  const borders = Math.ceil(length / BLOCK);
  const chosen = Array.from({ length: Math.min(TORN, borders) }, (_, at) =>
    borders <= TORN ? at : Math.floor(uniform(`${draw}/${at}`, 53) * borders),
  );
  return [...new Set([...chosen.map((block) => block * BLOCK), Math.floor(Math.min(length, BLOCK) / 2)])];
}

function countStates(steps: readonly Step<Fact>[], seed: number): number {
  let states = 0;
  for (const { choices } of crashPlaces(steps, seed)) for (const _ of choices) states += 1;
  return states;
}
