import { QuerymillError } from "../errors.ts";

const duplicateKey = 11_000;

/** Of a document that only the run writes that shares out: nobody with a higher fence has written it. */
export function notAbove(fence: number): { readonly $or: { readonly fence: never }[] } {
  return { $or: [{ fence: { $lte: fence } as never }, { fence: null as never }] };
}

/** Does an upsert by {@link notAbove}, which adds the document a second time where that is not so. @throws QuerymillError FENCED */
export async function fenced<T>(upsert: () => Promise<T>): Promise<T> {
  try {
    return await upsert();
  } catch (error) {
    if ((error as { code?: unknown }).code !== duplicateKey) throw error;
    throw takenOver();
  }
}

export function takenOver(): QuerymillError {
  return new QuerymillError("FENCED", "Another coordinator has taken over the plan of this target.");
}
