/** Things to close, last opened first. */
export class Closers {
  readonly #close: (() => Promise<void> | void)[] = [];

  add(close: () => Promise<void> | void): void {
    this.#close.push(close);
  }

  async closeAll(): Promise<void> {
    for (const close of this.#close.reverse()) {
      try {
        await close();
      } catch {
        // One that cannot be closed keeps no other open.
      }
    }
  }
}
