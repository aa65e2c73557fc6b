import type { JSX } from "preact";
import { Icon } from "../icon.tsx";
import { Button } from "../parts.tsx";
import { blocked, dialog, isRunning, overview, part } from "../state.ts";

const health = part(() => overview.value?.health ?? null);
const isPaused = part(() => overview.value?.run?.paused?.holder === "operator");

/** Whether it is healthy, in one sentence, and what can be done with the run. */
export function Verdict(): JSX.Element {
  const { level, title, detail } = health.value ?? { level: "idle" as const, title: "Overview", detail: "" };
  return (
    <div class="verdict" data-testid="verdict">
      <span class={`mark ${level}`}>
        <Icon name={level} />
      </span>
      <div class="verdict-words">
        <h1 id="view-title" tabIndex={-1}>
          {title}
        </h1>
        <p>{detail}</p>
      </div>
      {isRunning.value && <Controls />}
    </div>
  );
}

function Controls(): JSX.Element {
  const open = (kind: "tune" | "pause" | "resume" | "drain" | "stop") => () => {
    dialog.value = { kind };
  };
  return (
    <fieldset class="actions" aria-label="Controls of the run">
      <Button icon="tune" blocked={blocked.value} onClick={open("tune")}>
        Tune
      </Button>
      {isPaused.value ? (
        <Button icon="resume" look="primary" blocked={blocked.value} onClick={open("resume")}>
          Resume
        </Button>
      ) : (
        <Button icon="pause" blocked={blocked.value} onClick={open("pause")}>
          Pause
        </Button>
      )}
      <Button icon="drain" blocked={blocked.value} onClick={open("drain")}>
        Drain
      </Button>
      <Button icon="stop" blocked={blocked.value} onClick={open("stop")}>
        Stop now
      </Button>
    </fieldset>
  );
}
