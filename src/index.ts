export { type LoadedSettings, loadSettings, type SettingsInput } from "./config/load.ts";
export { parseTaxonomy } from "./config/taxonomy.ts";
export type { Counters, JobTotals } from "./counters.ts";
export { DEFAULT_TAXONOMY } from "./default-taxonomy.ts";
export { type ErrorCode, type FailureClass, ModelError, QuerymillError } from "./errors.ts";
export type {
  EventMap,
  ExecutionEnd,
  ExecutionStatus,
  PauseHolder,
  RunSnapshot,
  StopReason,
} from "./events.ts";
export { contentHashOf, type Item, type ItemKey, idOf, keyOf, type Skipped, type SkipReason } from "./item.ts";
export type {
  Balance,
  Deadlines,
  EndpointSettings,
  JobSettings,
  MarkFields,
  MessagesMapping,
  Mode,
  ModelSettings,
  Price,
  RetryOptions,
  Share,
  SourcePreset,
  TextMapping,
} from "./job.ts";
export { answersFolder, forgetCorrected } from "./jobs/answers-folder.ts";
export { BatchProcessor } from "./jobs/batch-processor.ts";
export type { BatchProcessorOptions, ProcessorEndpoint, StorePlace } from "./jobs/batch-processor-options.ts";
export type { Execution, PauseOptions } from "./jobs/execution.ts";
export type { LiveChanges } from "./jobs/live-changes.ts";
export type { Requeued, RetrySelection } from "./jobs/requeue.ts";
export { type Common, prepareExecution } from "./jobs/wiring.ts";
export { type AiSdkOptions, openAiSdk } from "./llm/ai-sdk.ts";
export { openOffline } from "./llm/offline.ts";
export { type OpenAiCompatibleOptions, openOpenAiCompatible } from "./llm/openai-compatible.ts";
export type { ModelProvider, ModelReply, ModelRequest, Prompt } from "./llm/provider.ts";
export type { Notification } from "./notify/notification.ts";
export type { RateHeaders, RateLimits } from "./rate-limits.ts";
export type { ClassificationRecord, Usage } from "./record.ts";
export type { RedactionKind, RedactionSettings, Redactor } from "./redaction/kinds.ts";
export { BatchFileManager } from "./state/batch-file-manager.ts";
export type { Checkpoint } from "./state/checkpoint.ts";
export type { QueueEntry } from "./state/retry-queue.ts";
export type {
  Cursor,
  Lease,
  LeaseHolder,
  LeaseResult,
  MarkGroup,
  Page,
  RecordToWrite,
  Settled,
  Source,
  SourceDocument,
  SourceOptions,
  Store,
  Target,
  WriteResult,
} from "./store.ts";
export { makeItem } from "./stores/mapping.ts";
export { MongoStore, type MongoStoreOptions, openMongoStore } from "./stores/mongodb.ts";
export { openSqliteStore, SqliteStore } from "./stores/sqlite.ts";
export type { Classification, Dimension, Field, FieldValue, Label, Taxonomy } from "./taxonomy.ts";
export type { TenantSnapshot } from "./tenants/lane.ts";
export { prepareTenants, type TenantsInput } from "./tenants/prepare-tenants.ts";
export type { TenantEvents } from "./tenants/tenant-events.ts";
export type { Tenants, TenantsEnd } from "./tenants/tenants.ts";
export { tenantUsage, type UsageRow } from "./tenants/usage.ts";
export { EndpointPool } from "./traffic/endpoint-pool.ts";
export { insist as retryUntilConfirmed } from "./traffic/insist.ts";
export { backoffMs } from "./traffic/retry.ts";
