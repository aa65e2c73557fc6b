import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { codeOf, get, sayError } from "./client.ts";

/** Something that the server is asked for. What was there before stays until the new one is. */
export interface Resource<T> {
  readonly data: T | null;
  readonly error: string | null;
  /** Of the error, when the server refused. */
  readonly code: string | null;
  readonly loading: boolean;
  readonly reload: () => void;
}

/**
 * Asks for a path whenever it changes, and again on `reload` and whenever `again` changes.
 * @param path null: nothing is asked for
 */
export function useResource<T>(path: string | null, again?: ReadonlySignal<unknown>): Resource<T> {
  const [turn, setTurn] = useState(0);
  const [held, setHeld] = useState<Omit<Resource<T>, "reload"> & { readonly path: string | null }>({
    path: null,
    data: null,
    error: null,
    code: null,
    loading: path !== null,
  });
  const signalled = again?.value;
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    setHeld((before) => ({ ...before, loading: true }));
    get<T>(path, stop.signal).then(
      (data) => setHeld({ path, data, error: null, code: null, loading: false }),
      (error) => {
        if (stop.signal.aborted) return;
        setHeld((before) => ({
          path,
          data: before.path === path ? before.data : null,
          error: sayError(error),
          code: codeOf(error),
          loading: false,
        }));
      },
    );
    return () => stop.abort();
  }, [path, turn, signalled]);
  return { ...held, reload: () => setTurn((before) => before + 1) };
}
