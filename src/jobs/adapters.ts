import type { ClassifierOptions } from "../classify.ts";
import type { SharedAllowance } from "../cluster/shared-allowance.ts";
import type { Item, Skipped } from "../item.ts";
import type { EndpointSettings, JobSettings } from "../job.ts";
import type { ModelProvider, Prompt } from "../llm/provider.ts";
import type { Privacy } from "../redaction/privacy.ts";
import type { SourceDocument, Store } from "../store.ts";
import type { EndpointOptions } from "../traffic/endpoint-options.ts";
import type { EndpointPool } from "../traffic/endpoint-pool.ts";
import type { Together } from "./together.ts";

/** What calls of one endpoint cost. */
export interface EndpointPricing {
  /** Whether the price of the model that is asked for is known. */
  readonly priced: boolean;
  /** USD of a usage by the model that answered, or null when the price is unknown. */
  readonly costOf: EndpointOptions["costOf"];
}

/** What an execution works with; `wiring.ts` is the only place that names implementations. */
export interface Adapters {
  openStore(): Promise<Store>;
  /** @param connections most at once */
  openProvider(endpoint: EndpointSettings, connections: number): Promise<ModelProvider>;
  /** What runs of this process share of their endpoints; null: every endpoint is this run's alone. */
  readonly pool: EndpointPool | null;
  readonly prompt: Prompt;
  readonly checkAnswer: ClassifierOptions["checkAnswer"];
  readonly estimateUsage: ClassifierOptions["estimateUsage"];
  readonly pricingOf: (endpoint: EndpointSettings) => EndpointPricing;
  /** What {@link pricingOf} would be with other prices of the settings. */
  pricingWith(prices: JobSettings["prices"]): Promise<Adapters["pricingOf"]>;
  /** For the user: what was learned from, and what the model cannot do. */
  readonly notes: readonly string[];
  readonly makeItem: (document: SourceDocument) => Item | Skipped;
  /** How long a document has to be left alone yet, in ms; null: none ever. */
  readonly quietInMs: ((document: SourceDocument, nowMs: number) => number) | null;
  /** What masks the texts of {@link makeItem}; null when nothing does. */
  readonly privacy: Privacy | null;
  /** Limits and budget that other processes use too; null or left out: nobody else does. */
  readonly allowance?: SharedAllowance | null;
  /** Top-level fields {@link makeItem} needs; null for all. */
  readonly fields: readonly string[] | null;
  /** Missing where an execution works alone. */
  readonly together?: Together;
}
