import { NO_HISTORY, nextHistory, type PanelHistory } from "../estimation/finish.ts";
import type { EventMap, ExecutionEnd } from "../events.ts";
import { type ItemKey, idOf } from "../item.ts";
import type { Execution } from "../jobs/execution.ts";
import { clock, count, duration, type Look, printable, symbols, wrapped } from "./format.ts";
import { commandWords, endLine, endNotes, LimitChanges, noTextAdvice, progressLine, stateLines } from "./lines.ts";
import { renderPanel } from "./panel.ts";
import { asTyped } from "./program.ts";
import { failedWords, missedWords } from "./schedule-words.ts";
import { nextCommands, renderSummary, type SummaryOptions, suggestedBudget } from "./summary.ts";
import { fitLines, LiveTerminal, lookOf, needsAscii } from "./terminal.ts";

/** How one execution is shown. Opened before `run()`, closed after it whatever happened. */
export interface Output {
  /** Says something that stays. */
  note(text: string): void;
  /** A log line that must not run through a panel; true when it was taken. */
  log(line: string): boolean;
  /** Calls under way are waited for (`drain`), or not (`abort`). */
  stopping(how: "drain" | "abort"): void;
  /** @param needsReview records of which the model was unsure; null when not counted */
  end(end: ExecutionEnd, needsReview: number | null): void;
  /** Gives the screen back. Doing it twice changes nothing. */
  close(): void;
}

export type OutputKind = "live" | "lines" | "json" | "quiet";

/** What a summary needs beside the end of the execution. */
export interface SummaryFacts extends Pick<SummaryOptions, "taxonomy" | "state" | "budget" | "toneByWordLists"> {
  /** Flags that lead another command to the same job. */
  readonly jobFlags: string;
  /** Flags with which a retry asks the same model. */
  readonly modelFlags: string;
  /** The command that goes on, as typed, without secrets. */
  readonly again: string;
  /** Commands to try next, whatever the end was. */
  readonly afterwards: readonly { readonly command: string; readonly does: string }[];
  /** Longest wait of a drain, in ms. */
  readonly drainMs: number;
  /** Print the summary also where there is no terminal. */
  readonly summaryAlways: boolean;
  /** Print the summary at the end of a panel. */
  readonly summary: boolean;
}

const REDRAW_MS = 250;
const LINE_MS = 10_000;
/** Changes of the calls at once are told no more often than this. */
const LIMIT_LINE_MS = 1_000;

/** A panel on a terminal that can be drawn on, lines elsewhere, unless told otherwise. */
export function chooseOutput(
  { json, quiet }: { json: boolean; quiet: boolean },
  isTTY: boolean,
  term: string,
): OutputKind {
  if (quiet) return "quiet";
  if (json) return "json";
  return isTTY && term !== "dumb" ? "live" : "lines";
}

/** Opens the output on a stream, which is only ever written to. */
export function openOutput(
  kind: OutputKind,
  execution: Execution,
  stream: NodeJS.WriteStream,
  facts: SummaryFacts & { readonly json: boolean },
): Output {
  if (kind === "live") return openLive(execution, stream, facts);
  if (kind === "json") return openJson(execution, stream);
  if (kind === "quiet") return openQuiet(stream, facts.json);
  return openLines(execution, stream, facts);
}

function openLive(execution: Execution, stream: NodeJS.WriteStream, facts: SummaryFacts): Output {
  const terminal = new LiveTerminal(stream);
  const look = (): Look => lookOf(stream, process.env);
  const example = firstClassified(execution);
  let history: PanelHistory = NO_HISTORY;
  const draw = (): void => {
    const snapshot = execution.snapshot();
    history = nextHistory(history, snapshot);
    const options = { ...look(), rows: stream.rows ?? 24, history };
    terminal.draw(fitLines(renderPanel(snapshot, options), options));
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
  const note = (text: string): void => {
    const { columns, ascii } = look();
    const lines = wrapped(printable(text), columns - 2).map(
      (line, at) => `${at > 0 ? " " : symbols(ascii).dot} ${line}`,
    );
    terminal.print(fitLines(lines, look()));
  };
  onEarlierEnds(execution, (end) => terminal.print(fitLines([endLine(end, Date.now())], look())));
  let isPolling = false;
  execution.events
    .on("execution:start", ({ notes }) => notes.forEach(note))
    .on("source:watch", ({ reason }) => {
      if (reason !== null) note(`Changes of the source are found by polling only: ${reason}.`);
      else if (isPolling) note("Changes of the source wake this run again.");
      isPolling = reason !== null;
    });
  execution.events.on("control:command", (command) => note(commandWords(command)));
  execution.events.on("schedule:missed", (missed) => note(missedWords(missed, Date.now())));
  execution.events.on("schedule:failed", (failed) => note(failedWords(failed)));
  return {
    note,
    log: (line) => {
      terminal.print(fitLines([logLine(line, look())], look()));
      return true;
    },
    stopping: (how) => terminal.print(fitLines(stoppingLines(how, execution, facts), look())),
    end: (end, needsReview) => {
      clearInterval(timer);
      terminal.clear();
      if (facts.summary || end.status !== "completed")
        terminal.print(summaryLines(end, execution, { ...facts, needsReview }, look(), example()));
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

function openLines(execution: Execution, stream: NodeJS.WriteStream, facts: SummaryFacts): Output {
  const look: Look = { columns: 100, ascii: needsAscii(process.env), style: (_format, text) => text };
  const example = firstClassified(execution);
  const say = (lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join("\n")}\n`);
  };
  let history: PanelHistory = NO_HISTORY;
  let toldFigures = "";
  const tick = (): void => {
    const snapshot = execution.snapshot();
    history = nextHistory(history, snapshot);
    const line = progressLine(snapshot, history);
    const figures = line.slice(line.indexOf(" "));
    // Until the next poll nothing moves.
    if (snapshot.waiting?.reason !== "next poll" || figures !== toldFigures) say([line]);
    toldFigures = figures;
  };
  const timer = setInterval(tick, LINE_MS);
  const limits = new LimitChanges();
  const tellLimits = (): void => say(limits.take(Date.now()));
  const limitTimer = setInterval(tellLimits, LIMIT_LINE_MS);
  let toldId: string | null = null;
  onEarlierEnds(execution, (end) => {
    toldId = end.executionId;
    say([endLine(end, Date.now())]);
  });
  execution.events.onAny((name, payload) => {
    if (name === "limit:change") limits.add(payload as EventMap["limit:change"]);
    else say(stateLines(name, payload as EventMap[typeof name], Date.now()));
  });
  return {
    note: (text) => say([`${clock(Date.now())} note ${JSON.stringify(printable(text))}`]),
    log: () => false,
    stopping: (how) => {
      if (how === "abort") say([`${clock(Date.now())} abort flight=${execution.snapshot().counters.inFlight}`]);
    },
    end: (end, needsReview) => {
      tellLimits();
      const open = end.exitCode !== 0 || noTextAdvice(end).length > 0;
      const hints = facts.summaryAlways || !open ? [] : nextSteps(end, facts, null).slice(0, 3);
      // What is stopped between two scheduled runs ends with what the last one said.
      if (end.executionId !== toldId)
        say([...endNotes(end, execution.snapshot().errors, hints, Date.now()), endLine(end, Date.now())]);
      if (facts.summaryAlways) say(["", ...summaryLines(end, execution, { ...facts, needsReview }, look, example())]);
    },
    close: () => {
      clearInterval(timer);
      clearInterval(limitTimer);
    },
  };
}

/** NDJSON: every event as it happens; the end is held back until it is final, so that it is the last line. */
function openJson(execution: Execution, stream: NodeJS.WriteStream): Output {
  const { tenant: name } = execution.snapshot();
  const tenant = name === "default" ? {} : { tenant: name };
  const say = (event: string, payload: object): void => {
    stream.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...tenant, ...payload })}\n`);
  };
  onEarlierEnds(execution, (end) => say("execution:end", end));
  let isOver = false;
  execution.events.onAny((name, payload) => {
    if (name !== "execution:end" && !isOver) say(name, payload);
  });
  return {
    note: (message) => say("note", { message }),
    log: () => false,
    stopping: () => {},
    end: (end) => {
      isOver = true;
      say("execution:end", end);
    },
    close: () => {},
  };
}

function openQuiet(stream: NodeJS.WriteStream, json: boolean): Output {
  const last = (end: ExecutionEnd): string =>
    json
      ? JSON.stringify({ event: "execution:end", time: new Date().toISOString(), ...end })
      : endLine(end, Date.now());
  return {
    note: () => {},
    log: () => false,
    stopping: () => {},
    end: (end) => stream.write(`${last(end)}\n`),
    close: () => {},
  };
}

function summaryLines(
  end: ExecutionEnd,
  execution: Execution,
  facts: SummaryFacts & Pick<SummaryOptions, "needsReview">,
  look: Look,
  example: string | null,
): string[] {
  const { store, target, total, endpoints } = execution.snapshot();
  const next = nextSteps(end, facts, example);
  return fitLines(renderSummary(end, { ...look, ...facts, store, target, total, endpoints, next }), {
    ...look,
    columns: 1_000,
  });
}

function nextSteps(end: ExecutionEnd, facts: SummaryFacts, example: string | null): SummaryOptions["next"] {
  const next = [...nextCommands(end, facts, example), ...facts.afterwards].map(({ command, does }) => ({
    command: asTyped(command),
    does,
  }));
  if (end.status !== "stopped" && end.status !== "failed") return next;
  const again = { command: facts.again, does: "goes on" };
  if (end.stopReason !== "budget" || facts.budget === null) return [again, ...next];
  const raised = facts.again.replace(/ --budget \S+/, "");
  return [{ command: `${raised} --budget ${suggestedBudget(facts.budget, end)}`, does: "goes on with more" }, ...next];
}

function stoppingLines(how: "drain" | "abort", execution: Execution, facts: SummaryFacts): string[] {
  const { slots } = execution.snapshot();
  if (how === "drain")
    return [
      `Draining: ${count(slots.busy)} calls in flight come home first (at most ${duration(facts.drainMs)}). Ctrl-C again stops at once.`,
    ];
  return [
    `Stopped at once. ${count(slots.busy)} calls were under way; their answers may be paid again.`,
    `Go on with:  ${facts.again} --recover`,
  ];
}

/** Tells how each run of scheduled mode ended, once it goes on; the last end is told by who shows it. */
function onEarlierEnds({ events }: Execution, tell: (end: ExecutionEnd) => void): void {
  let last: ExecutionEnd | null = null;
  events.onAny((name, payload) => {
    if (name === "notification:made") return;
    if (last !== null) tell(last);
    last = name === "execution:end" ? (payload as ExecutionEnd) : null;
  });
}

/** Remembers one item to show as an example, as `get` takes it. */
function firstClassified({ events }: Execution): () => string | null {
  let key: ItemKey | null = null;
  const listener = (item: EventMap["item:settled"]): void => {
    if (item.outcome !== "classified") return;
    key = item.key;
    events.off("item:settled", listener);
  };
  events.on("item:settled", listener);
  return () => (key === null ? null : typedId(key));
}

/** An id as it is typed in a shell; null for those that nobody would type. */
function typedId(key: ItemKey): string | null {
  const id = String(idOf(key));
  return /^[\w.:@-]{1,60}$/.test(id) ? id : null;
}

/** A line of the JSON log, for people: `▲ 14:24:10 endpoint rests · eu: rate limited (429)`. */
function logLine(line: string, { ascii, style }: Look): string {
  const mark = symbols(ascii);
  const { level, time, msg, endpoint, state, reason } = JSON.parse(line) as LogRecord;
  const symbol = level >= 50 ? style("red", mark.bad) : level >= 40 ? style("yellow", mark.warn) : mark.dot;
  const why = [state, reason].filter(Boolean).join(", ");
  const where = endpoint ? ` ${mark.dot} ${endpoint}${why === "" ? "" : `: ${why}`}` : "";
  return `${symbol} ${clock(Date.parse(time))} ${printable(`${msg ?? ""}${where}`)}`;
}

interface LogRecord {
  readonly level: number;
  readonly time: string;
  readonly msg?: string;
  readonly endpoint?: string;
  readonly state?: string;
  readonly reason?: string | null;
}
