import { messageOf, QuerymillError } from "../errors.ts";
import { printable, wrapped } from "./format.ts";

/** The answer that leads to the question before. */
export const BACK: unique symbol = Symbol("back");
export type Back = typeof BACK;

/** Ctrl-C or Escape at a question. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}

export interface Choice<T> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

/** Asks a person on the terminal. Every method throws {@link Cancelled} when they leave. */
export interface Questions {
  /** @param mayGoBack offers {@link BACK}. @default true */
  choose<T extends string>(
    message: string,
    choices: readonly Choice<T>[],
    initial?: T,
    mayGoBack?: boolean,
  ): Promise<T | Back>;
  /** Several of a list, in the order of the list; none of them is {@link BACK}. */
  several(message: string, choices: readonly Choice<string>[], initial: readonly string[]): Promise<string[] | Back>;
  /** One line; an empty one is {@link BACK}. */
  line(message: string, initial: string): Promise<string | Back>;
  yes(message: string, initial: boolean): Promise<boolean>;
  /** Says what is being done, which may take a moment. @returns null when it failed with a message for people, which was shown */
  attempt<T>(doing: string, work: () => Promise<T>): Promise<T | null>;
  say(text: string): void;
  warn(text: string): void;
  note(text: string, title: string): void;
  end(text: string): void;
}

const GO_BACK = "(back)";

/** @param intro the first line */
export async function openQuestions(intro: string): Promise<Questions> {
  const clack = await import("@clack/prompts");
  clack.intro(intro);
  const answered = <T>(answer: T | symbol): T => {
    if (clack.isCancel(answer)) throw new Cancelled();
    return answer as T;
  };
  const lines = (text: string): string => wrapped(printable(text), (process.stdout.columns ?? 80) - 4).join("\n");
  return {
    async choose(message, choices, initial, mayGoBack = true) {
      const back = mayGoBack ? [{ value: GO_BACK, label: "back" }] : [];
      const options = [...choices, ...back].map((choice) => ({
        ...choice,
        label: printable(choice.label),
      }));
      const answer = answered<string>(
        await clack.select({
          message,
          options,
          maxItems: 12,
          ...(initial === undefined ? {} : { initialValue: initial }),
        }),
      );
      return answer === GO_BACK ? BACK : (answer as never);
    },
    async several(message, choices, initial) {
      const options = choices.map((choice) => ({ ...choice, hint: printable(choice.hint ?? "") }));
      const answer = answered<string[]>(
        await clack.multiselect({ message, options, initialValues: [...initial], required: false, maxItems: 12 }),
      );
      return answer.length === 0 ? BACK : choices.map(({ value }) => value).filter((value) => answer.includes(value));
    },
    async line(message, initial) {
      const answer = answered<string>(await clack.text({ message, initialValue: initial, defaultValue: "" }));
      return answer.trim() === "" ? BACK : answer.trim();
    },
    yes: async (message, initial) => answered<boolean>(await clack.confirm({ message, initialValue: initial })),
    async attempt(doing, work) {
      clack.log.step(lines(`${doing} …`));
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof QuerymillError)) throw error;
        clack.log.error(lines(messageOf(error)));
        return null;
      }
    },
    say: (text) => clack.log.success(lines(text)),
    warn: (text) => clack.log.warn(lines(text)),
    note: (text, title) => clack.note(text.split("\n").map(printable).join("\n"), title),
    end: (text) => clack.outro(text),
  };
}
