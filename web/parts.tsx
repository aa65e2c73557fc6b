import type { ComponentChildren, JSX } from "preact";
import { Icon, type IconName } from "./icon.tsx";
import { isRunning, me, say } from "./state.ts";

/** A part of a view with its name. */
export function Card(props: {
  title: string;
  id: string;
  aside?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class={`card ${props.class ?? ""}`} aria-labelledby={`${props.id}-title`} data-testid={props.id}>
      <header class="card-head">
        <h2 id={`${props.id}-title`}>{props.title}</h2>
        {props.aside !== undefined && <div class="aside">{props.aside}</div>}
      </header>
      {props.children}
    </section>
  );
}

export type PillLevel = "ok" | "warn" | "bad" | "idle" | "info";

/** A state in a word, with a sign so that colour is not needed. */
export function Pill(props: { level: PillLevel; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`pill ${props.level}`}>
      <Icon name={props.level} />
      {props.children}
    </span>
  );
}

/** A button. With `blocked` it cannot be used, and says why when it is tried. */
export function Button(props: {
  children: ComponentChildren;
  onClick: () => void;
  icon?: IconName;
  look?: "primary" | "danger" | "quiet";
  blocked?: string | null | undefined;
  keyHint?: string | null;
  label?: string;
  pressed?: boolean;
  expanded?: boolean;
  class?: string;
  testid?: string;
}): JSX.Element {
  const { blocked = null } = props;
  return (
    <button
      type="button"
      class={`button ${props.look ?? ""} ${props.class ?? ""}`}
      aria-disabled={blocked === null ? undefined : "true"}
      aria-label={props.label}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      title={blocked ?? undefined}
      data-testid={props.testid}
      onClick={() => (blocked === null ? props.onClick() : say("info", blocked))}
    >
      {props.icon !== undefined && <Icon name={props.icon} />}
      {props.children}
      {props.keyHint && <Key name={props.keyHint} />}
    </button>
  );
}

/** A key that works here; named to nobody who hears the page, since `?` lists them all. */
export function Key({ name }: { name: string }): JSX.Element {
  return (
    <span class="key" aria-hidden="true">
      <kbd>{name}</kbd>
    </span>
  );
}

/** Nothing is here, and why. */
export function Empty(props: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{props.title}</p>
      {props.children !== undefined && <p>{props.children}</p>}
    </div>
  );
}

/** The command that starts a run of this job, on a line of its own. @param props.more its further options */
export function RunCommand({ more = "" }: { more?: string }): JSX.Element {
  return <code class="command-line">{`${me.value?.runCommand ?? "querymill run"} ${more}`.trim()}</code>;
}

/** What will be in an empty view, and the command for it where no run is under way. */
export function Filling({ children }: { children: string }): JSX.Element {
  const job = <b>{me.value?.job ?? ""}</b>;
  if (isRunning.value)
    return (
      <>
        Job {job} is running: {children}
      </>
    );
  return (
    <>
      Job {job} is not running. When it is, {children} Start it with <RunCommand />
    </>
  );
}

/** What is on its way, in the space that it will take. */
export function Loading(props: { rows: number; what: string }): JSX.Element {
  return (
    <div class="loading" aria-busy="true">
      <span class="unseen">Loading {props.what}</span>
      {Array.from({ length: props.rows }, (_, row) => (
        <span class="bone" key={row} />
      ))}
    </div>
  );
}

/** What could not be had, with another try. */
export function Failed(props: { what: string; why: string; again: () => void }): JSX.Element {
  return (
    <div class="failed" role="alert">
      <Icon name="bad" />
      <div>
        <p class="empty-title">{props.what} could not be loaded</p>
        <p>{props.why}</p>
        <Button onClick={props.again}>Try again</Button>
      </div>
    </div>
  );
}

/** The head of a view: its name, what it shows now, and what can be done with it. */
export function ViewHead(props: {
  title: string;
  note?: ComponentChildren;
  children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="view-head">
      <h1 id="view-title" tabIndex={-1}>
        {props.title}
      </h1>
      {props.note !== undefined && <p class="note">{props.note}</p>}
      {props.children !== undefined && <div class="actions">{props.children}</div>}
    </div>
  );
}

/** One of several; arrow keys move, as in a group of radio buttons. */
export function Choice<T extends string | number>(props: {
  name: string;
  label: string;
  options: readonly { readonly value: T; readonly text: string }[];
  value: T;
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <fieldset class="choice">
      <legend class="unseen">{props.label}</legend>
      {props.options.map(({ value, text }) => (
        <label key={value}>
          <input
            type="radio"
            name={props.name}
            checked={value === props.value}
            onChange={() => props.onChange(value)}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** Something wider or longer than its place, which the keyboard can scroll too. */
export function Scroll(props: { label: string; class?: string; children: ComponentChildren }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached without a pointer
    <section class={props.class ?? "scroll"} aria-label={props.label} tabIndex={0}>
      {props.children}
    </section>
  );
}
