import { relative } from "node:path";
import { NO_HISTORY, nextHistory, type PanelHistory } from "../estimation/finish.ts";
import type { EventMap } from "../events.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { TenantSnapshot } from "../tenants/lane.ts";
import type { Tenants, TenantsEnd } from "../tenants/tenants.ts";
import { clock, duration, type Look, printable, symbols, wrapped } from "./format.ts";
import { endLine, LimitChanges, progressLine, stateLines } from "./lines.ts";
import type { OutputKind } from "./output.ts";
import { asTyped, commandsHere } from "./program.ts";
import { renderSummary } from "./summary.ts";
import { renderTenants, tenantTable } from "./tenants-panel.ts";
import { fitLines, LiveTerminal, lookOf } from "./terminal.ts";

/** How the tenants of a process are shown. */
export interface TenantsOutput {
  /** Something that stays. @param tenant whom it is about; null: all */
  note(tenant: string | null, text: string): void;
  /** A log line that must not run through a panel; true when it was taken. */
  log(line: string): boolean;
  /** The dashboard of all these tenants is there: an event where events are shown. */
  listening(dashboard: { readonly tenants: readonly string[]; readonly url: string }): void;
  stopping(how: "drain" | "abort"): void;
  /** The last thing. */
  end(end: TenantsEnd): void;
  close(): void;
}

const REDRAW_MS = 250;
const LINE_MS = 10_000;
const LIMIT_LINE_MS = 1_000;
/** With more tenants than this a line for each is all that is told at the end. */
const MOST_IN_FULL = 3;

export function openTenantsOutput(
  kind: OutputKind,
  tenants: Tenants,
  stream: NodeJS.WriteStream,
  json: boolean,
): TenantsOutput {
  if (kind === "live") return openLive(tenants, stream);
  if (kind === "json") return openJson(tenants, stream);
  if (kind === "quiet") return openQuiet(stream, json);
  return openLines(tenants, stream);
}

function openLive(tenants: Tenants, stream: NodeJS.WriteStream): TenantsOutput {
  const terminal = new LiveTerminal(stream);
  const look = (): Look => lookOf(stream, process.env);
  const startedAtMs = Date.now();
  let draining = false;
  const draw = (): void => {
    const options = { ...look(), rows: stream.rows ?? 24, nowMs: Date.now(), startedAtMs, draining };
    terminal.draw(fitLines(renderTenants(tenants.snapshot(), options), options));
  };
  const redraw = (): void => {
    terminal.forget();
    draw();
  };
  const giveBack = (): void => terminal.close();
  const timer = setInterval(draw, REDRAW_MS);
  stream.on("resize", draw);
  process.on("SIGCONT", redraw);
  process.on("exit", giveBack);
  const note = (tenant: string | null, text: string): void => {
    const { columns, ascii } = look();
    const start = tenant === null ? "" : `${tenant}: `;
    const lines = wrapped(start + printable(text), columns - 2).map(
      (line, at) => `${at > 0 ? " " : symbols(ascii).dot} ${line}`,
    );
    terminal.print(fitLines(lines, look()));
  };
  tenants.events
    .on("execution:start", (tenant, { notes }) => {
      for (const text of notes) note(tenant, text);
    })
    .on("execution:end", (tenant, end) => note(tenant, endLine(end, Date.now())))
    .on("tenant:failed", (tenant, failed) => note(tenant, failedWords(failed, Date.now())))
    .on("tenant:state", (tenant, { state }) => note(tenant, STATE_WORDS[state]));
  return {
    note,
    log: (line) => {
      const { time, msg, tenant, level } = JSON.parse(line) as LogRecord;
      const sign = level >= 50 ? symbols(look().ascii).bad : symbols(look().ascii).warn;
      terminal.print(
        fitLines(
          [`${sign} ${clock(Date.parse(time))} ${tenant === undefined ? "" : `${tenant}: `}${printable(msg ?? "")}`],
          look(),
        ),
      );
      return true;
    },
    listening: () => {},
    stopping: (how) => {
      draining = true;
      if (how === "abort") note(null, "Stopped at once: answers of calls that were under way may be paid again.");
    },
    end: (end) => {
      clearInterval(timer);
      terminal.clear();
      terminal.print([...summaries(tenants, look()), "", ...endLines(tenants.snapshot(), end, look())]);
    },
    close: () => {
      clearInterval(timer);
      stream.off("resize", draw);
      process.off("SIGCONT", redraw);
      process.off("exit", giveBack);
      terminal.clear();
    },
  };
}

function openLines(tenants: Tenants, stream: NodeJS.WriteStream): TenantsOutput {
  const say = (tenant: string, lines: readonly string[]): void => {
    for (const line of lines) stream.write(`${withTenant(line, tenant)}\n`);
  };
  const histories = new Map<string, PanelHistory>();
  const told = new Map<string, string>();
  const limits = new Map<string, LimitChanges>();
  const tick = (): void => {
    for (const { name, run, state } of tenants.snapshot()) {
      if (run === null || state === "ended" || state === "failed" || state === "removed") continue;
      const history = nextHistory(histories.get(name) ?? NO_HISTORY, run);
      histories.set(name, history);
      const line = progressLine(run, history);
      const figures = line.slice(line.indexOf(" "));
      // Until it has something to do again nothing moves.
      if (told.get(name) !== figures) say(name, [line]);
      told.set(name, figures);
    }
  };
  const timer = setInterval(tick, LINE_MS);
  const limitTimer = setInterval(() => {
    for (const [name, changes] of limits) say(name, changes.take(Date.now()));
  }, LIMIT_LINE_MS);
  tenants.events.onAny((tenant, name, payload) => {
    if (name === "limit:change") {
      const changes = limits.get(tenant) ?? new LimitChanges();
      limits.set(tenant, changes);
      changes.add(payload as EventMap["limit:change"]);
    } else if (name === "execution:end") say(tenant, [endLine(payload as EventMap["execution:end"], Date.now())]);
    else say(tenant, stateLines(name, payload as EventMap[typeof name], Date.now()));
  });
  const note = (tenant: string | null, text: string): void => {
    const line = `${clock(Date.now())} note ${JSON.stringify(printable(text))}`;
    stream.write(`${tenant === null ? line : withTenant(line, tenant)}\n`);
  };
  return {
    note,
    log: () => false,
    listening: () => {},
    stopping: (how) => {
      if (how === "abort") stream.write(`${clock(Date.now())} abort\n`);
    },
    end: (end) => stream.write(`${allLine(end)}\n`),
    close: () => {
      clearInterval(timer);
      clearInterval(limitTimer);
    },
  };
}

/** NDJSON: every event of every tenant with its name; the last line says how all ended. */
function openJson(tenants: Tenants, stream: NodeJS.WriteStream): TenantsOutput {
  const say = (event: string, tenant: string | null, payload: object): void => {
    const who = tenant === null ? {} : { tenant };
    stream.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...who, ...payload })}\n`);
  };
  tenants.events.onAny((tenant, name, payload) => say(name, tenant, payload));
  return {
    note: (tenant, message) => say("note", tenant, { message }),
    log: () => false,
    listening: (dashboard) => say("dashboard:listening", null, dashboard),
    stopping: () => {},
    end: (end) => say("tenants:end", null, end),
    close: () => {},
  };
}

function openQuiet(stream: NodeJS.WriteStream, json: boolean): TenantsOutput {
  return {
    note: () => {},
    log: () => false,
    listening: () => {},
    stopping: () => {},
    end: (end) => {
      if (json) stream.write(`${JSON.stringify({ event: "tenants:end", time: new Date().toISOString(), ...end })}\n`);
      else {
        for (const { name, end: own } of end.tenants)
          if (own !== null) stream.write(`${withTenant(endLine(own, Date.now()), name)}\n`);
        stream.write(`${allLine(end)}\n`);
      }
    },
    close: () => {},
  };
}

/** Each tenant in full, where that is not too much to read. */
function summaries(tenants: Tenants, look: Look): string[] {
  const ended = tenants.lanes.filter((lane) => lane.snapshot().end !== null && lane.loaded !== null);
  if (ended.length > MOST_IN_FULL) return ["", `Each in full:  ${asTyped("querymill status --tenant NAME")}`];
  return ended.flatMap((lane) => {
    const { end, run } = lane.snapshot();
    const { settings } = lane.loaded!;
    const { store, target, total, endpoints } = run!;
    const state = relative(process.cwd(), jobFolder(settings.batchDir, { ...settings, range: WHOLE_RANGE }));
    const options = {
      ...{ store, target, total, endpoints, state, needsReview: null, next: [] },
      taxonomy: settings.taxonomy,
      budget: settings.budget,
      toneByWordLists: settings.model.provider === "offline" && settings.examples === null,
    };
    return ["", ...fitLines(renderSummary(end!, { ...look, ...options }), { ...look, columns: 1_000 })];
  });
}

/** What stays on the screen: a line for each tenant, what is wrong with it, and all together. */
function endLines(snapshots: readonly TenantSnapshot[], end: TenantsEnd, look: Look): string[] {
  const { bad, ok } = symbols(look.ascii);
  const problems = end.tenants.filter(({ problem }) => problem !== null);
  const width = look.columns - 4;
  return [
    ...fitLines(tenantTable(snapshots, Date.now(), look), look),
    ...problems.flatMap(({ name, problem }) => [
      "",
      ...`${name}: ${commandsHere(problem!)}`
        .split("\n")
        .map(printable)
        .flatMap((line) => wrapped(line, width))
        .map((line) => `  ${line}`),
    ]),
    "",
    ...wrapped(summaryWords(end), width).map((line, at) =>
      at > 0
        ? `  ${line}`
        : `${look.style(end.exitCode === 0 ? "green" : "red", end.exitCode === 0 ? ok : bad)} ${line}`,
    ),
  ];
}

/** `3 tenants: 2 with exit code 0, 1 with 4. Exit code 4.` */
function summaryWords({ tenants, exitCode }: TenantsEnd): string {
  const codes = new Map<number, string[]>();
  for (const one of tenants) codes.set(one.exitCode, [...(codes.get(one.exitCode) ?? []), one.name]);
  if (codes.size === 1) return `All ${tenants.length} tenants ended with exit code ${exitCode}.`;
  const parts = [...codes].map(([code, names]) => `${names.join(", ")} with ${code}`);
  return `${tenants.length} tenants ended: ${parts.join("; ")}. Exit code ${exitCode}, the worst of them.`;
}

function allLine({ tenants, exitCode }: TenantsEnd): string {
  const codes = tenants.map(({ name, exitCode: code }) => `${name}=${code}`);
  return `${clock(Date.now())} end tenants=${tenants.length} ${codes.join(" ")} exit=${exitCode}`;
}

const STATE_WORDS: Readonly<Record<EventMap["tenant:state"]["state"], string>> = {
  begins: "goes on",
  paused: "is paused",
  removed: "is no longer in the settings: it has drained",
};

function failedWords({ message, nextTryMs }: EventMap["tenant:failed"], nowMs: number): string {
  const again =
    nextTryMs === null
      ? ""
      : ` It is tried again in ${duration(nextTryMs - nowMs)}, or when the settings are read again.`;
  return `does not run: ${message}${again}`;
}

/** `13:14:18 sales start …`: behind the time. */
function withTenant(line: string, tenant: string): string {
  const gap = line.indexOf(" ");
  return `${line.slice(0, gap)} ${tenant}${line.slice(gap)}`;
}

interface LogRecord {
  readonly level: number;
  readonly time: string;
  readonly msg?: string;
  readonly tenant?: string;
}
