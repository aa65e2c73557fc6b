import { systemClocks } from "../clocks.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import type { ExecutionEnd, RunSnapshot, StopReason } from "../events.ts";
import type { ItemKey } from "../item.ts";
import { type Fingerprint, fingerprintOf, type JobSettings } from "../job.ts";
import { lostCalls } from "../outcome.ts";
import { Pipeline } from "../pipeline.ts";
import { Planner } from "../plan.ts";
import { SourceReader } from "../source-reader.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { type FileSystem, nodeFileSystem } from "../state/files.ts";
import { insist } from "../traffic/insist.ts";
import type { Adapters } from "./adapters.ts";
import { openBudget } from "./budget.ts";
import { CheckpointKeeper } from "./checkpoint-keeper.ts";
import { Closers } from "./closers.ts";
import { openContinuous } from "./continuous.ts";
import { ControlledExecution } from "./controlled-execution.ts";
import { countItems } from "./count-items.ts";
import type { Execution } from "./execution.ts";
import { newExecutionId } from "./execution-id.ts";
import { ExecutionKeeper } from "./execution-keeper.ts";
import { hasRecords } from "./existing-records.ts";
import { firstItems } from "./first-items.ts";
import { openGrowing } from "./growing.ts";
import { openAnswers } from "./open-answers.ts";
import { openClassifier } from "./open-classifier.ts";
import { openGateway } from "./open-gateway.ts";
import { type OpenJob, openState, openStores, refuseUnpricedBudget, refuseWhatIsUnclear } from "./open-job.ts";
import { openPatiently } from "./patient-start.ts";
import { beginReclassification } from "./reclassify.ts";
import { openRecording, type RecordingOptions, storeJournaled } from "./recording.ts";
import { inspectLeftover, isSameQuestion, type Leftover, nextSuspects, quarantine } from "./recovery.ts";
import { requeue } from "./requeue.ts";
import { RunView } from "./run-view.ts";
import { startAfresh } from "./start-afresh.ts";
import { WindowKeeper } from "./window-keeper.ts";

/** One execution: opens the job, recovers what an earlier one left, runs the pipeline, closes. */
export class JobExecution extends ControlledExecution implements Execution {
  readonly #manager: BatchFileManager;
  readonly #fingerprint: Fingerprint;
  readonly #stopping = new AbortController();
  /** Ends what is waited for before there is a pipeline. */
  readonly #stoppingStart = new AbortController();
  readonly #view: RunView;
  readonly #closers = new Closers();
  #pipeline: Pipeline | null = null;
  readonly #wake = (): void => this.#pipeline?.wake();
  #stopBefore: { reason: StopReason; message: string | null } | null = null;

  constructor(settings: JobSettings, adapters: Adapters, clocks = systemClocks, files: FileSystem = nodeFileSystem) {
    super(settings, adapters, newExecutionId(clocks), clocks);
    this.#manager = new BatchFileManager(settings.batchDir, settings, files);
    this.#manager.files.onFull = (error) => this.stop("disk", error.message);
    this.#fingerprint = fingerprintOf(settings, adapters.prompt.version);
    this.#view = new RunView(this.settings, this.executionId, adapters.prompt, {
      events: this.events,
      clocks,
      pause: this.paused,
    });
  }

  snapshot(): RunSnapshot {
    return this.#view.snapshot();
  }

  stop(reason: StopReason, message: string | null = null): void {
    if (this.#pipeline !== null) this.#pipeline.stop(reason, message);
    else this.#stopBefore ??= { reason, message };
    this.#stoppingStart.abort();
    this.#view.state = "draining";
  }

  abort(reason: StopReason = "signal"): void {
    this.stop(reason);
    this.#pipeline?.abort(reason);
  }

  async run(): Promise<ExecutionEnd> {
    let keeper: ExecutionKeeper | null = null;
    try {
      refuseUnpricedBudget(this.settings, this.adapters.pricingOf);
      const damagedQueues = await openState(this.#manager, this.settings, this.executionId, this.#closers);
      keeper = new ExecutionKeeper(this.#manager, this.settings, this.executionId, this.clocks);
      let leftover = await inspectLeftover(this.#manager, this.settings.fresh ? this.executionId : null);
      refuseWhatIsUnclear(this.settings, leftover, this.#fingerprint);
      const open = await this.#open();
      this.#view.opened(open);
      const damaged = damagedQueues + (await quarantine(this.#manager, leftover, this.executionId));
      if (this.settings.fresh && leftover.scan.segments.size > 0)
        leftover = await startAfresh(this.#manager, open, leftover, this.#stopping.signal, (...on) =>
          this.#recordingOptions(...on),
        );
      const end = await this.#execute(open, leftover, damaged);
      await keeper.ended(end);
      await this.adapters.together?.ended?.(end, this.#manager);
      this.events.emit("execution:end", end);
      return end;
    } catch (error) {
      await keeper?.failed(error);
      throw error;
    } finally {
      await this.#closers.closeAll();
      this.#view.state = "ended";
    }
  }

  #open(): Promise<OpenJob> {
    const open = (own: Closers) => openStores(this.#manager, this.settings, this.adapters, this.executionId, own);
    return openPatiently(open, this.#closers, {
      patient: this.settings.mode !== "batch",
      signal: this.#stoppingStart.signal,
      onWait: (reason, afterMs) => this.#view.waitToStart(reason, this.clocks.steadyNow() + afterMs),
      onOpen: () => this.#view.startsAfterWait(),
    });
  }

  #recordingOptions(onStored: (key: ItemKey) => void, onFatal: RecordingOptions["onFatal"]): RecordingOptions {
    return {
      manager: this.#manager,
      settings: this.settings,
      adapters: this.adapters,
      executionId: this.executionId,
      events: this.events,
      ...this.clocks,
      watch: this.#view.storeWatch,
      onStored,
      onFatal,
    };
  }

  async #execute(open: OpenJob, leftover: Leftover, damaged: number): Promise<ExecutionEnd> {
    const { settings, adapters, events } = this;
    const { together = {} } = adapters;
    const { now, steadyNow } = this.clocks;
    const watch = this.#view.storeWatch;
    const { signal } = this.#stopping;
    const closers = this.#closers;
    const active = new Set<ItemKey>();
    this.#view.state = "recovering";
    const recording = await openRecording(
      open,
      leftover,
      this.#recordingOptions(
        (key) => {
          active.delete(key);
          reader.passOver(key);
          delete suspects[key];
        },
        (reason, error) => this.stop(reason, error.message),
      ),
    );
    const { journal, recorder, sink } = recording;
    closers.add(() => journal.close());
    const startedMs = steadyNow();
    const gateway = openGateway(open.endpoints, settings, adapters, {
      executionId: this.executionId,
      events,
      clocks: this.clocks,
    });
    closers.add(() => gateway.close());
    this.openedGateway(gateway, open.endpoints, closers);
    const { retryQueue, deadLetters } = this.#manager;
    const { makeItem, quietInMs } = adapters;
    const reading = { source: open.source, makeItem, quietInMs, watch, signal, now };
    const reader = new SourceReader({
      ...reading,
      isKnown: (key, contentHash) =>
        active.has(key) ||
        together.isKnown?.(key) === true ||
        retryQueue.get(key) !== null ||
        (contentHash !== null && deadLetters.get(key)?.contentHash === contentHash),
      limit: settings.limit,
      // New work begins at once, beside the storing of what was journaled before it.
      startBehind: leftover.unclean ? (leftover.checkpoint?.cursor ?? null) : null,
    });
    const suspects: Record<string, { crashes: number; alone: number }> = leftover.unclean
      ? nextSuspects(leftover.suspects, leftover.inFlight)
      : leftover.suspects;
    const run = { executionId: this.executionId, fingerprint: this.#fingerprint, now };
    const answers = await openAnswers(this.#manager, settings, open, leftover, run, closers);
    for (const note of answers?.notes ?? []) this.#view.note(note);
    const keeper = new CheckpointKeeper({
      manager: this.#manager,
      journal,
      recorder,
      sink,
      reader,
      answers,
      events,
      ...run,
      before: leftover.checkpoint,
      suspects,
      interval: settings.checkpointInterval,
      startedAt: new Date(now()).toISOString(),
      ...this.clocks,
      onError: (error) => this.stop("disk", messageOf(error)),
    });
    closers.add(() => keeper.close());
    await keeper.save("running");
    keeper.watch();
    if (leftover.inFlight.length > 0)
      await recorder.crashed(leftover.inFlight, lostCalls(leftover.state, leftover.inFlight.length));
    for (const key of leftover.unsunk.values()) active.add(key);
    const recovered = storeJournaled(this.#manager, leftover, sink, signal, (settlement) =>
      recorder.countRecovered(settlement),
    );
    // Until the pipeline waits for it, a failure is not "unhandled".
    recovered.catch(() => {});
    const parts = {
      manager: this.#manager,
      ...{ settings, adapters, open, recorder, recovered, watch, signal },
      ...run,
      note: (text: string) => this.#view.note(text),
      stop: (reason: StopReason, message: string) => this.stop(reason, message),
      ...{ sink, active, events, steadyNow, poke: () => this.#pipeline?.feed.poke() },
      notQuiet: () => reader.notQuiet.items,
    };
    const growing = await openGrowing(parts);
    const again = await beginReclassification(parts);
    if (again?.which === "all") await answers?.askAnewSince(again.sinceMs);
    // What is to be retried may be among it.
    if (settings.retryOnly !== null) await recovered;
    const toRetry =
      settings.retryOnly === null
        ? null
        : await requeue(this.#manager, recorder, settings.retryOnly, { nowMs: now(), active });
    const planner = new Planner({
      ...reading,
      reader,
      target: open.target,
      batches: this.#manager.batches,
      retryQueue,
      deadLetters,
      get rounds() {
        return settings.retry.rounds;
      },
      batchSize: settings.batchSize,
      executionId: this.executionId,
      fence: open.lease.fence,
      adopt:
        // Whoever had a range before may have written what is not marked.
        leftover.checkpoint === null && (await insist(() => hasRecords(open.target, settings), watch, signal))
          ? (settled, item) =>
              !again?.refuses(settled) && isSameQuestion(settled, item, adapters.prompt, settings.endpoints)
          : null,
      isReplaced: (settled) => again?.replaces(settled) === true,
      concealed: (item, record) => adapters.privacy?.concealed(item, record) ?? record,
      active,
      answers,
      bury: together.bury ?? null,
    });
    const first = await firstItems(
      this.#manager,
      recording,
      { unclean: leftover.unclean, suspects },
      { executionId: this.executionId, limit: settings.limit, now, active },
    );
    if (leftover.unclean || leftover.unsunk.size > 0) {
      events.emit("execution:recover", {
        executionId: this.executionId,
        stored: leftover.unsunk.size,
        fromBatchFiles: first.again.length,
        damaged,
        uncertainCalls: leftover.inFlight.length,
      });
    }
    const pipeline = new Pipeline({
      mode: settings.mode === "continuous" ? "continuous" : "batch",
      executionId: this.executionId,
      patient: settings.mode !== "batch",
      shareOut: together.shareOut?.bind(together, parts) ?? null,
      ownItems: together.ownItems ?? Number.POSITIVE_INFINITY,
      batchSize: settings.batchSize,
      intervalMs: () => settings.intervalSeconds * 1000,
      limit: settings.limit,
      retryWaitMs: settings.wait && settings.retryOnly === null ? settings.deadlines.retryWaitMs : null,
      retriesOnly: settings.retryOnly !== null,
      leaveRetries: settings.leaveRetries === true,
      deadlines: settings.deadlines,
      runBreaker: settings.runBreaker,
      budget: openBudget(settings, adapters, recorder, { now, onChange: this.#wake, closers }),
      planner,
      reader,
      classifier: openClassifier(settings, adapters, gateway, {
        stamp: { job: settings.job, executionId: this.executionId, fence: open.lease.fence },
        clocks: this.clocks,
        pause: this.paused,
        events,
      }),
      gateway,
      recorder,
      sink,
      journal,
      batches: this.#manager.batches,
      retryQueue,
      recovered,
      events,
      answers,
      active,
      pause: this.paused,
      stopping: this.#stopping,
      ...this.clocks,
      holdReason: () => open.lease.holdReason(),
      onSettled: () => keeper.settled(),
    });
    this.#pipeline = pipeline;
    open.lease.onLost((error) => {
      sink.stop();
      pipeline.stop("fenced", error.message);
      pipeline.abort();
    });
    await growing?.begin();
    closers.add(() => growing?.close());
    await countItems(open.source, settings.limit, toRetry, (total) => this.#view.count(total));
    this.controls({ pipeline, recorder, manager: this.#manager, active });
    const window = WindowKeeper.open(settings, this, { executionId: this.executionId, now, closers });
    this.#view.running({
      pipeline,
      recorder,
      sink,
      gateway,
      manager: this.#manager,
      reader,
      growing,
      window,
      startedMs,
      lease: open.lease,
    });
    if (this.#stopBefore !== null) pipeline.stop(this.#stopBefore.reason, this.#stopBefore.message);
    if (settings.mode === "continuous") {
      const beside = await openContinuous({ ...parts, pipeline, storeWatch: watch, growing });
      closers.add(() => beside.close());
      this.#view.beside(beside);
    }
    await pipeline.run(first).finally(() => growing?.close());
    if (pipeline.stopReason === null) await again?.end();
    // Hints: the next start removes what stays.
    await this.#manager.batches.clear().catch(() => {});
    let end = this.#view.end(damaged, pipeline.stopReason, pipeline.stopMessage);
    await keeper.end({ ...end, endedAt: new Date(now()).toISOString() }).catch((error) => {
      if (!(error instanceof QuerymillError)) throw error;
      if (end.stopReason !== "disk") end = this.#view.end(damaged, "disk", error.message);
    });
    return end;
  }
}
