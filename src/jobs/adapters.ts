import type { ClassifierOptions } from "../classify.ts";
import type { Item, Skipped } from "../item.ts";
import type { ModelProvider, Prompt } from "../llm/provider.ts";
import type { SourceDocument, Store } from "../store.ts";

/** What an execution works with; `wiring.ts` is the only place that names implementations. */
export interface Adapters {
  openStore(): Promise<Store>;
  openProvider(): Promise<ModelProvider>;
  readonly prompt: Prompt;
  readonly checkAnswer: ClassifierOptions["checkAnswer"];
  readonly estimateUsage: ClassifierOptions["estimateUsage"];
  /** USD of a usage, or null when the price is unknown. */
  readonly costOf: ClassifierOptions["costOf"];
  /** Whether the chosen model has a known price. */
  readonly priced: boolean;
  readonly makeItem: (document: SourceDocument) => Item | Skipped;
  /** Top-level fields {@link makeItem} needs; null for all. */
  readonly fields: readonly string[] | null;
}
