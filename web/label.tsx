import type { JSX } from "preact";
import { scaleClass } from "./scales.ts";
import { labelsOf } from "./state.ts";
import { plain } from "./words.ts";

/** A label, with its colour where it is a step of a scale. */
export function Label({ dimension, label }: { dimension: string; label: string }): JSX.Element {
  const colour = scaleClass(dimension, labelsOf.value.get(dimension) ?? [], label);
  return (
    <span class="label">
      {colour !== null && <span class={`swatch ${colour}`} aria-hidden="true" />}
      {colour === null ? label : plain(label)}
    </span>
  );
}

/** What a record says in one dimension; a dash where it says nothing. */
export function Labels(props: {
  dimension: string;
  value: string | readonly string[] | null | undefined;
}): JSX.Element {
  const labels = props.value === null || props.value === undefined ? [] : [props.value].flat();
  if (labels.length === 0) return <span>–</span>;
  return (
    <span class="labels">
      {labels.map((label) => (
        <Label key={label} dimension={props.dimension} label={label} />
      ))}
    </span>
  );
}
