import { join } from "node:path";
import { type Fingerprint, type JobSettings, shortHash } from "../job.ts";
import { Answers } from "../lanes/answers.ts";
import { AnswerCache } from "../lanes/cache.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { readJournal } from "../state/journal.ts";
import { answersFolder } from "./answers-folder.ts";
import type { Closers } from "./closers.ts";
import type { OpenJob } from "./open-job.ts";
import type { Leftover } from "./recovery.ts";

export interface AnswersRun {
  readonly executionId: string;
  readonly fingerprint: Fingerprint;
  readonly now: () => number;
}

const MEGABYTE = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1_000;

/**
 * Opens what is kept of earlier answers; after an unclean end with what the journal has of them.
 * @returns null when nothing is to be kept: it is switched off, or no answer costs anything
 */
export async function openAnswers(
  manager: BatchFileManager,
  { cache: settings, redaction, endpoints, job, retention = null }: JobSettings,
  open: Pick<OpenJob, "endpoints" | "lease">,
  leftover: Leftover,
  { executionId, fingerprint, now }: AnswersRun,
  closers: Closers,
): Promise<Answers | null> {
  if (settings === null || !open.endpoints.some(({ provider }) => provider.remote)) return null;
  const { files, identity, folder } = manager;
  const cache = await AnswerCache.open({
    files,
    folder: answersFolder(manager),
    quarantine: join(folder, "quarantine"),
    identity,
    maxBytes: settings.maxMb * MEGABYTE,
    ttlMs: Math.min(settings.ttlDays, retention?.days ?? settings.ttlDays) * DAY_MS,
    now,
  });
  closers.add(() => cache.close());
  const { taxonomy, prompt, model } = fingerprint;
  const { kinds, hooked } = redaction;
  const answers = new Answers({
    cache,
    question: shortHash({ taxonomy, prompt, model, kinds, hooked }, 16),
    endpoints: new Set(endpoints.filter(({ fallback }) => fallback === 0).map(({ name }) => name)),
    stamp: { job, executionId, fence: open.lease.fence },
    now,
  });
  if (leftover.unclean)
    await readJournal(files, manager.journalFolder, identity, ({ entry }) => {
      if (entry.kind === "settled") answers.recovered(entry.settlement);
    });
  return answers;
}
