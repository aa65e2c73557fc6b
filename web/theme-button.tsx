import type { JSX } from "preact";
import { Button } from "./parts.tsx";
import { choose, nextTheme, theme } from "./theme.ts";

/** Goes from one theme to the next. */
export function ThemeButton(): JSX.Element {
  return (
    <Button
      look="quiet"
      icon={theme.value}
      class="square"
      label={`Theme: ${theme.value}. Change to ${nextTheme()}`}
      onClick={() => choose(nextTheme())}
      testid="theme"
    >
      {null}
    </Button>
  );
}
