import type { Events } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { WindowGate } from "../traffic/window-gate.ts";

/** @returns null when calls may go out at all hours */
export function openWindow(
  { window }: JobSettings,
  { executionId, events, now }: { readonly executionId: string; readonly events: Events; readonly now: () => number },
): WindowGate | null {
  if (window === undefined || window === null) return null;
  const gate: WindowGate = new WindowGate({
    window,
    now,
    onChange: ({ open, untilMs }) => {
      if (open) events.emit("window:open", { executionId, untilMs });
      else events.emit("execution:wait", { executionId, ...gate.waiting!, items: 0 });
    },
  });
  return gate;
}
