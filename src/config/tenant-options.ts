import { z } from "zod";
import { integer, shaped, text } from "./option.ts";

/** Of a tenant: it names a folder, a job and a label of metrics. */
export const TENANT_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Sections of `tenants` as they are written, by name. What stands in one is checked by `tenant-fields.ts`. */
export type TenantSections = Readonly<Record<string, Readonly<Record<string, unknown>> | null>>;

/** Several jobs of one process, and how long what they leave behind is kept. */
export const TENANT_OPTIONS = {
  tenants: shaped<TenantSections | null>({
    help: "several jobs of one process, by name: each section says what is different from the rest of the file",
    expected: "a group of 1 to 500 tenants by name, each with settings such as targetCollection: sales_results",
    schema: z
      .record(z.string(), z.unknown())
      .refine((sections) => Object.keys(sections).length >= 1 && Object.keys(sections).length <= 500),
    default: null,
  }),
  tenant: text({
    flag: "--tenant <name>",
    inFile: false,
    help: "one of the tenants of the settings file",
    expected: "the name of a tenant",
    default: null,
  }),
  "retention.days": integer({
    help: "local traces older than this go by themselves: dead letters with their texts, cached answers, archives, damaged records, the log of executions; default: they stay",
    min: 1,
    max: 36_500,
    unit: "days",
    default: null,
  }),
} as const;
