import type { JSX } from "preact";
import type { Need, NeedAction } from "../../src/dashboard/api.ts";
import { Icon } from "../icon.tsx";
import { Button, Card, Empty } from "../parts.tsx";
import { blocked, dialog, overview, part } from "../state.ts";
import { NEED_LEVELS } from "../words.ts";

const needs = part(() => overview.value?.needs ?? []);
/** Verbs after which somebody has to start something again by hand. */
const DANGEROUS: ReadonlySet<string> = new Set(["stop", "drain"]);

/** What a person should look at: a sentence, a number, a cause, and what can be done with its price. */
export function NeedsCard(): JSX.Element {
  return (
    <Card title="Needs you" id="needs" aside={<span class="num">{needs.value.length}</span>}>
      {needs.value.length === 0 ? (
        <Empty title="Nothing needs you">Dead letters, resting endpoints and items to review would stand here.</Empty>
      ) : (
        <ul class="needs">
          {needs.value.map((need, at) => (
            <OneNeed key={need.id} need={need} isFirst={at === 0} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function OneNeed({ need, isFirst }: { need: Need; isFirst: boolean }): JSX.Element {
  return (
    <li class={`need ${need.level}`} data-testid={`need-${need.id}`}>
      <Icon name={need.level} />
      <div>
        <h3>
          <span class="unseen">{NEED_LEVELS[need.level]}: </span>
          {need.title}
        </h3>
        <p>{need.detail}</p>
        {need.actions.length > 0 && (
          <div class="actions">
            {need.actions.map((action, at) => (
              <NeedButton key={action.label} action={action} title={need.title} isFirst={isFirst && at === 0} />
            ))}
          </div>
        )}
      </div>
    </li>
  );
}

function NeedButton(props: { action: NeedAction; title: string; isFirst: boolean }): JSX.Element {
  const { action } = props;
  if (action.kind === "open")
    return (
      <a class="button" href={action.to.startsWith("#") ? action.to : `#${action.to}`}>
        {action.label}
      </a>
    );
  const { label, confirm, verb, body } = action;
  return (
    <Button
      {...(props.isFirst ? { look: "primary" as const } : {})}
      blocked={blocked.value}
      onClick={() => {
        dialog.value = {
          kind: "ask",
          title: props.title,
          text: confirm,
          label,
          verb,
          body,
          danger: DANGEROUS.has(verb),
        };
      }}
    >
      {label}
    </Button>
  );
}
