import type { Logger } from "pino";
import { channelSecrets } from "../config/channels.ts";
import { maySpend } from "../config/confirmation.ts";
import { type LoadedSettings, loadSettings, type OutputSettings, readFiles } from "../config/load.ts";
import { QuerymillError } from "../errors.ts";
import type { Execution } from "../jobs/execution.ts";
import { type Log, logEvents, openLog } from "../observe/log.ts";
import { worstExitCode } from "../tenants/exit-code.ts";
import type { Beside } from "../tenants/lane.ts";
import { refuseRemoved } from "../tenants/removal.ts";
import { Tenants } from "../tenants/tenants.ts";
import { EndpointPool } from "../traffic/endpoint-pool.ts";
import { openCompanions } from "./companions.ts";
import { JOB_OPTIONS, RUN_OPTIONS, retype } from "./options.ts";
import { chooseOutput } from "./output.ts";
import { ONCE } from "./program.ts";
import { Reloader } from "./reload.ts";
import { reportError } from "./report-error.ts";
import { type StopSignal, watchSignals } from "./signals.ts";
import { defaultLevel, finalExitCode, hasTerminal, noteLater, secretsOf, tokensOf, watchPipes } from "./supervise.ts";
import { openTenantsBeside, type TenantsBeside } from "./tenants-beside.ts";
import { openTenantsOutput, type TenantsOutput } from "./tenants-output.ts";

type Flags = Readonly<Record<string, unknown>>;

/** What all tenants of the process have in common. */
interface Shared {
  readonly flags: Flags;
  readonly output: OutputSettings;
  readonly log: Log;
  readonly note: (tenant: string, text: string) => void;
  /** Lines tell what happens in words. */
  readonly isInWords: () => boolean;
  /** What was found out before a tenant's run, to be told once it is under way. */
  readonly told: Set<string>;
  /** Endpoints that several of them have in common. */
  readonly pool: EndpointPool;
  readonly later: Map<string, (() => Promise<string | null>) | null>;
}

/**
 * Runs all tenants of the settings in front of a person or a supervisor.
 * @param names of all of them
 * @returns the exit code: the worst of all
 */
export async function runTenants(flags: Flags, names: readonly string[]): Promise<number> {
  const cwd = process.cwd();
  const load = async (name: string): Promise<LoadedSettings> => {
    const loaded = await loadSettings({ flags: { ...flags, tenant: name }, env: process.env, cwd });
    await refuseRemoved(loaded.settings.batchDir, name);
    return loaded;
  };
  const common = await commonSettings(flags, names);
  const { output } = common;
  if (flags.dryRun === true) return await dryRuns(names, load, output);
  const kind = chooseOutput(output, process.stdout.isTTY === true, process.env.TERM ?? "");
  let shown: TenantsOutput | null = null;
  const log = await openLog({
    level: output.logLevel ?? defaultLevel(output),
    file: output.logFile,
    write: (line) => {
      if (!(process.stderr.isTTY && shown?.log(line))) process.stderr.write(line);
    },
    secrets: tokensOf(common.service),
  });
  const shared: Shared = {
    ...{ flags, output, log },
    note: (tenant, text) => shown?.note(tenant, text),
    isInWords: () => kind === "lines" && output.logFile === null && log.logger.level === defaultLevel(output),
    told: new Set(),
    pool: new EndpointPool(),
    later: new Map(),
  };
  let around: TenantsBeside | null = null;
  const tenants: Tenants = new Tenants({
    only: null,
    read: async () => (await readFiles({ flags, env: process.env, cwd })).file,
    load,
    prepare: (loaded) => prepare(loaded, shared),
    beside: async (loaded, execution) => {
      const own = await openBeside(loaded, execution, { shared, load, tenants });
      const stop = await around?.watch(loaded, execution);
      return {
        ...own,
        close: async () => {
          stop?.();
          await own.close();
        },
      };
    },
    onListenerError: (error) => log.logger.error({ err: error }, "a listener failed"),
  });
  tellOfTenants(tenants, log.logger, shared.isInWords);
  shown = openTenantsOutput(kind, tenants, process.stdout, output.json);
  const pipe = watchPipes(() => tenants.stop("signal"));
  const signals = watchSignals({
    drain: (signal) => {
      log.logger.info({ signal }, "draining all tenants after a signal");
      shown?.stopping("drain");
      around?.stopping(common.settings.deadlines.drainMs);
      tenants.stop("signal");
    },
    abort: () => {
      shown?.stopping("abort");
      tenants.abort();
    },
    exit: (code) => process.exit(code),
    now: () => performance.now(),
    reload: hasTerminal() ? null : () => void reloadBySignal(tenants, log.logger, shown!),
  });
  try {
    around = await openTenantsBeside({
      ...{ tenants, common, logger: log.logger, input: { flags, env: process.env, cwd } },
      note: (text) => shown?.note(null, text),
      // For the eyes of the user alone: it may have a token.
      handOver: (text) => {
        if (kind === "live") shown?.note(null, text);
        else process.stderr.write(`${text}\n`);
      },
      onListening: (url) => shown?.listening({ tenants: names, url }),
    });
    const ended = await tenants.run();
    const told = withSignal(ended, tenants, signals.received(), pipe.broken());
    shown.end(told);
    return told.exitCode;
  } catch (error) {
    shown.close();
    return reportError(error, { json: output.json });
  } finally {
    await around?.close();
    signals.dispose();
    shown.close();
    await log.close();
  }
}

/** Settings that hold for the process: those of the first tenant that has no error, as far as they are not its own. */
async function commonSettings(flags: Flags, names: readonly string[]): Promise<LoadedSettings> {
  let first: unknown = null;
  for (const name of names)
    try {
      return await loadSettings({
        flags: { ...flags, tenant: name },
        env: process.env,
        cwd: process.cwd(),
        needsModel: false,
      });
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      first ??= error;
    }
  throw first;
}

/** Asks a person, where there is one, before a batch spends much. */
async function prepare(loaded: LoadedSettings, { output, later, pool }: Shared): Promise<Execution | null> {
  const { settings, confirmation } = loaded;
  const { prepareExecution } = await import("../jobs/wiring.ts");
  if (maySpend(settings, confirmation)) {
    const { beforeSpending } = await import("./before-spending.ts");
    // A panel is drawn already: nobody is asked in the middle of it, and what it will cost is told.
    const spending = await beforeSpending(settings, { ...output, quiet: true }, confirmation);
    later.set(settings.tenant, spending.later);
  }
  return await prepareExecution(settings, {}, { pool });
}

/** Log, reload, control and notifications of one tenant. */
async function openBeside(
  loaded: LoadedSettings,
  execution: Execution,
  { shared, load, tenants }: { shared: Shared; load: (name: string) => Promise<LoadedSettings>; tenants: Tenants },
): Promise<Beside> {
  const { settings, service } = loaded;
  const { tenant } = settings;
  const { log, flags, output, note, isInWords, told } = shared;
  log.hide([...secretsOf(settings), ...(service.channels === undefined ? [] : channelSecrets(service.channels))]);
  const logger = log.logger.child({ tenant });
  logEvents(execution.events, logger, isInWords);
  for (const text of loaded.notes.filter((text) => !told.has(text))) {
    // What is said of the whole file is said once.
    told.add(text);
    note(tenant, text);
  }
  const reloader = new Reloader({
    loaded,
    load: () => load(tenant),
    execution,
    setLogLevel: (level) => {
      log.logger.level = level ?? defaultLevel(output);
      logger.level = log.logger.level;
    },
    hide: (read) => log.hide(secretsOf(read)),
  });
  const later = noteLater(execution, shared.later.get(tenant) ?? null, (text) => note(tenant, text));
  const typed = { ...flags, tenant };
  const jobFlags = retype(
    typed,
    JOB_OPTIONS.filter((key) => key !== "json"),
  );
  const { control, channels, notifyRules } = service;
  const companions = await openCompanions({
    execution,
    settings,
    // One server for metrics and one page for all are opened around the tenants.
    service: {
      ...(control === undefined ? {} : { control }),
      ...(channels === undefined ? {} : { channels }),
      ...(notifyRules === undefined ? {} : { notifyRules }),
    },
    logger,
    reload: () => tenants.reload("control reload"),
    jobFlags,
    again: `querymill run ${retype(
      typed,
      RUN_OPTIONS.filter((key) => !ONCE.has(key)),
    )}`.trimEnd(),
    redacted: log.redacted,
    watchReload: (watcher) => reloader.watch(watcher),
    warn: ({ fields, message }, text) => {
      if (!isInWords()) logger.warn(fields, message);
      note(tenant, text);
    },
    note: (text) => note(tenant, text),
    handOver: (text) => note(tenant, text),
    isOneOfSeveral: true,
  });
  return {
    failed: (error) => companions.failed?.(error),
    ended: async () => {
      later.tooLate();
      await companions.ended?.();
    },
    reload: () => reloader.reload(),
    close: () => companions.close(),
  };
}

function tellOfTenants(tenants: Tenants, logger: Logger, isTold: () => boolean): void {
  tenants.events
    .on("tenant:failed", (tenant, { code, message, nextTryMs }) => {
      const nextTry = nextTryMs === null ? null : new Date(nextTryMs).toISOString();
      if (!isTold()) logger.error({ tenant, code, nextTry }, message);
    })
    .on("tenant:state", (tenant, { state }) => {
      if (!isTold()) logger.info({ tenant, state }, "a tenant changed its state");
    });
}

async function reloadBySignal(tenants: Tenants, logger: Logger, shown: TenantsOutput): Promise<void> {
  try {
    const { taken, refused } = await tenants.reload("SIGHUP");
    if (Object.keys(taken).length + refused.length === 0)
      shown.note(null, "SIGHUP: the settings were read again, and nothing is another one.");
    for (const { setting, reason } of refused) shown.note(null, `SIGHUP: ${setting} stays as it was: it ${reason}.`);
    for (const [setting, { from, to }] of Object.entries(taken))
      shown.note(null, `SIGHUP: ${setting} ${from ?? "none"} to ${to ?? "none"}`);
    logger.info({ taken: Object.keys(taken), refused }, "the settings were read again");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    shown.note(null, `SIGHUP: the settings were not taken, and everything stays as it was: ${reason}`);
    logger.error({ reason }, "the settings were not taken");
  }
}

/** In batch mode a run that a signal ended says so. */
function withSignal(
  { tenants }: Awaited<ReturnType<Tenants["run"]>>,
  all: Tenants,
  signal: StopSignal | null,
  pipeBroken: boolean,
): Awaited<ReturnType<Tenants["run"]>> {
  const told = tenants.map((one) => {
    const lane = all.lanes.find(({ name }) => name === one.name)!;
    const isUnbegun = one.end === null && lane.snapshot().state === "ended";
    const stopReason = isUnbegun ? "signal" : (one.end?.stopReason ?? null);
    return { ...one, exitCode: finalExitCode(one.exitCode, lane.mode, stopReason, signal, pipeBroken) };
  });
  return { tenants: told, exitCode: worstExitCode(told.map(({ exitCode }) => exitCode)) };
}

/** What each tenant would do, one after the other. */
async function dryRuns(
  names: readonly string[],
  load: (name: string) => Promise<LoadedSettings>,
  output: OutputSettings,
): Promise<number> {
  const { dryRunCommand } = await import("./dry-run.ts");
  const codes: number[] = [];
  for (const name of names)
    try {
      const { settings, notes } = await load(name);
      if (!output.json) process.stdout.write(`${codes.length > 0 ? "\n" : ""}${name}\n`);
      codes.push(await dryRunCommand(settings, output, notes));
    } catch (error) {
      codes.push(reportError(error, { json: output.json }));
    }
  return worstExitCode(codes);
}
