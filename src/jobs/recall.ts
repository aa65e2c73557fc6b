import type { InputSettings } from "../config/input.ts";
import { type JobSettings, mappingHash } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { openExistingStore } from "./existing-store.ts";
import { describeInput } from "./input.ts";
import { readInputRecord } from "./input-record.ts";
import { inspectLeftover } from "./recovery.ts";

/**
 * Settings of a job on the store of a file, with what they leave open as the last run had it: where the texts are, and
 * what is masked. Those of another job as they are. The file is looked at for the name of a column only.
 * @param input the file, where it was named
 * @throws QuerymillError STORE_UNREACHABLE, FILE_INVALID for a column that is not there
 */
export async function recallReading(settings: JobSettings, input: InputSettings | null = null): Promise<JobSettings> {
  if (!settings.storeUri.startsWith("sqlite:")) return settings;
  const named = input !== null && input.textColumn !== null ? await describeInput(settings, input) : settings;
  const { mapping, redaction } = named;
  const whereSaid = mapping.text !== null || mapping.preset !== undefined || mapping.messages !== undefined;
  const store = await openExistingStore(named);
  try {
    const readings = (await readInputRecord(store))?.readings ?? [];
    if (readings.length === 0) return named;
    const last = await lastMappingHash(named);
    const found = readings.find(({ hash }) => hash === last) ?? readings.at(-1)!;
    return {
      ...named,
      mapping: whereSaid ? mapping : { ...found.mapping, maxChars: mapping.maxChars },
      redaction: redaction.kinds.length > 0 ? redaction : found.redaction,
    };
  } finally {
    await store.close();
  }
}

/** What `mappingHash` gave for the last run of a job; null before the first, or when its state cannot be read. */
async function lastMappingHash(settings: Pick<JobSettings, "batchDir" | "tenant" | "job">): Promise<string | null> {
  const leftover = await inspectLeftover(new BatchFileManager(settings.batchDir, settings)).catch(() => null);
  return leftover?.checkpoint?.fingerprint.mapping ?? null;
}

/** Whether these settings show a text as the last run read it; true before the first. */
export async function readsAsLast(settings: JobSettings): Promise<boolean> {
  const last = await lastMappingHash(settings);
  return last === null || last === mappingHash(settings);
}
