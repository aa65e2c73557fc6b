import type { JSX } from "preact";
import type { ItemRow, Me } from "../../src/dashboard/api.ts";
import { Button, Key } from "../parts.tsx";
import type { ReviewKeys } from "../review-keys.ts";
import { capital, plain, sureness, surenessHelp } from "../words.ts";

export type Draft = Readonly<Record<string, string | readonly string[] | null>>;

interface Props {
  readonly row: ItemRow;
  readonly keys: ReviewKeys;
  readonly draft: Draft;
  /** Other categories of the model with their shares, where it named some. */
  readonly shares: ReadonlyMap<string, number>;
  readonly blocked: string | null;
  readonly dimensions: Me["dimensions"];
  readonly onDecide: (label: string) => void;
  readonly onDraft: (dimension: string, value: string | readonly string[] | null) => void;
}

/** What can be decided about an item, each with its key. */
export function Choices(props: Props): JSX.Element {
  const { keys, draft, row, blocked } = props;
  return (
    <>
      {keys.decided !== null && (
        <section class="item-part">
          <header>
            <h3>{capital(keys.decided.id)}</h3>
            <span class="aside wide-only">one key decides</span>
          </header>
          <ul class="decisions">
            {keys.labels.map(({ id, key }) => (
              <LabelChoice key={id} id={id} hint={key} {...props} />
            ))}
          </ul>
        </section>
      )}
      {keys.scales.map(({ dimension, labels, down, up }) => (
        <fieldset class="item-part steps-choice" key={dimension.id}>
          <legend>
            {capital(dimension.id)} {down !== null && <Key name={down} />} {up !== null && <Key name={up} />}
          </legend>
          <div class="joined-choice">
            {labels.map((label) => (
              <label key={label}>
                <input
                  type="radio"
                  name={`scale-${dimension.id}`}
                  checked={draft[dimension.id] === label}
                  disabled={blocked !== null}
                  onChange={() => props.onDraft(dimension.id, label)}
                />
                <span>{plain(label)}</span>
              </label>
            ))}
          </div>
        </fieldset>
      ))}
      {keys.others.map(({ id, many, labels }) => (
        <fieldset class="item-part steps-choice" key={id}>
          <legend>{capital(id)}</legend>
          {many ? (
            <div class="checks">
              {labels.map((label) => {
                const chosen = [draft[id] ?? []].flat();
                return (
                  <label class="check" key={label.id}>
                    <input
                      type="checkbox"
                      checked={chosen.includes(label.id)}
                      disabled={blocked !== null}
                      onChange={({ currentTarget: { checked } }) =>
                        props.onDraft(id, checked ? [...chosen, label.id] : chosen.filter((one) => one !== label.id))
                      }
                    />
                    {plain(label.id)}
                  </label>
                );
              })}
            </div>
          ) : (
            <select
              aria-label={plain(id)}
              value={typeof draft[id] === "string" ? draft[id] : ""}
              disabled={blocked !== null}
              onChange={(event) => props.onDraft(id, event.currentTarget.value || null)}
            >
              <option value="">none</option>
              {labels.map((label) => (
                <option key={label.id} value={label.id}>
                  {plain(label.id)}
                </option>
              ))}
            </select>
          )}
        </fieldset>
      ))}
      <p class="unseen">Confidence is {surenessHelp(row.confidenceKind)}</p>
    </>
  );
}

function LabelChoice(props: Props & { id: string; hint: string | null }): JSX.Element {
  const { id, hint, row, keys, draft, shares, blocked, dimensions, onDecide } = props;
  const dimension = keys.decided!.id;
  const isModels = row.labels[dimension] === id;
  const share = isModels ? (row.confidence[dimension] ?? null) : (shares.get(id) ?? null);
  const description = dimensions
    .find((one) => one.id === dimension)
    ?.labels.find((label) => label.id === id)?.description;
  return (
    <li>
      <Button
        class={`decision ${draft[dimension] === id ? "chosen" : ""}`}
        blocked={blocked}
        onClick={() => onDecide(id)}
        testid={`label-${id}`}
      >
        {hint === null ? <span class="no-key" /> : <Key name={hint} />}
        <span class="decision-name" title={description}>
          {id}
          {isModels && <span class="unseen">, the model’s answer,</span>}
        </span>
        <span class="track" aria-hidden="true">
          <span style={{ width: `${Math.round((share ?? 0) * 100)}%` }} />
        </span>
        <span class="num right share" title={surenessHelp(row.confidenceKind)}>
          {isModels || share !== null ? sureness(share, row.confidenceKind) : "–"}
        </span>
      </Button>
    </li>
  );
}
