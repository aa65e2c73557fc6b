import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../icon.tsx";
import { Key } from "../parts.tsx";
import { has, termsOf, toggled, without, wordOf } from "../query.ts";
import { commonChips } from "../query-chips.ts";
import { goTo, hrefOf } from "../route.ts";
import { dialog, me } from "../state.ts";
import { tenantHere } from "../tenant.ts";
import { forgetFilter, openSaved, savedFilters } from "./saved-filters.ts";

/** How long the typing has to rest before the list follows, ms. */
const REST_MS = 350;

/** The filter as it is typed, its terms one by one, and the common ones for one press. */
export function ItemSearch({ q, order }: { q: string; order: string }): JSX.Element {
  const [text, setText] = useState(q);
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const box = useRef<HTMLInputElement>(null);
  const ask = (query: string): void => {
    clearTimeout(typing.current);
    if (query.trim() !== q) goTo(hrefOf("items", null, { q: query.trim(), order }), "replace");
  };
  useEffect(() => {
    // What somebody is typing is theirs; any other change of the address shows here.
    if (document.activeElement !== box.current) setText(q);
  }, [q]);
  useEffect(() => () => clearTimeout(typing.current), []);
  const press = (query: string): void => {
    setText(query);
    ask(query);
  };
  const chips = commonChips(me.value?.dimensions ?? []);
  const terms = termsOf(q).map((term, at) => ({ term, at, word: wordOf(term) }));
  const others = terms.filter(
    ({ term: { field, negated, comparison, values } }) =>
      negated ||
      comparison !== "" ||
      !values.every((value) => chips.some((chip) => chip.field === field && chip.value === value)),
  );
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask(text);
        }}
      >
        <Icon name="search" />
        <input
          id="search"
          ref={box}
          type="search"
          aria-label="Find items"
          placeholder="field:value  -field:value  urgency:>=high  &quot;words&quot;"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={text}
          onInput={(event) => {
            const { value } = event.currentTarget;
            setText(value);
            clearTimeout(typing.current);
            typing.current = setTimeout(() => ask(value), REST_MS);
          }}
          onKeyDown={(event) => event.key === "Escape" && box.current?.blur()}
        />
        <Key name="/" />
      </form>
      <fieldset class="chips" aria-label="Filters">
        {others.map(({ at, word }) => (
          <button
            type="button"
            class="chip on"
            key={word}
            onClick={() => press(without(q, at))}
            aria-label={`Remove ${word}`}
          >
            {word}
            <Icon name="close" />
          </button>
        ))}
        {chips.map(({ text: name, field, value }) => (
          <button
            type="button"
            key={`${field}:${value}`}
            class={`chip ${has(q, field, value) ? "on" : ""}`}
            aria-pressed={has(q, field, value)}
            onClick={() => press(toggled(q, field, value))}
          >
            {name}
          </button>
        ))}
        {q !== "" && (
          <>
            <button type="button" class="chip clear" onClick={() => press("")}>
              Clear all
            </button>
            <button
              type="button"
              class="chip clear"
              onClick={() => {
                dialog.value = { kind: "save-filter", q };
              }}
            >
              Save filter
            </button>
          </>
        )}
      </fieldset>
      <SavedFilters q={q} press={press} />
    </search>
  );
}

/** Filters that were kept in this browser, each for one press. */
function SavedFilters({ q, press }: { q: string; press: (query: string) => void }): JSX.Element | null {
  const job = me.value?.job ?? null;
  useEffect(() => {
    if (job !== null) openSaved(tenantHere === null ? job : `${tenantHere}/${job}`);
  }, [job]);
  if (savedFilters.value.length === 0) return null;
  return (
    <fieldset class="chips" aria-label="Saved filters" data-testid="saved-filters">
      {savedFilters.value.map(({ name, q: saved }) => (
        <span class={`chip saved ${saved === q ? "on" : ""}`} key={name}>
          <button type="button" aria-pressed={saved === q} title={saved} onClick={() => press(saved)}>
            {name}
          </button>
          <button type="button" aria-label={`Forget the filter ${name}`} onClick={() => forgetFilter(name)}>
            <Icon name="close" />
          </button>
        </span>
      ))}
    </fieldset>
  );
}
