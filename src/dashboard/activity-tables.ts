import type { OutputValues } from "../files/table-writer.ts";
import type { LoggedEvent, SentNotification } from "./api.ts";
import type { Exported, ExportFormat } from "./export-stream.ts";

const EVENT_COLUMNS = ["time", "level", "event", "text"] as const;
const NOTIFICATION_COLUMNS = [
  ...["time", "id", "rule", "state", "severity", "title"],
  ...["channel", "delivery", "deliveryTime", "reason"],
] as const;

/** A row for each event. */
export function eventsTable(job: string, events: readonly LoggedEvent[], format: ExportFormat): Exported {
  const rows = events.map(({ atMs, level, name, text }) => ({ time: timeOf(atMs), level, event: name, text }));
  return tableOf(`${job}-events`, EVENT_COLUMNS, rows, format);
}

/** A row for each channel of each notification; one without a channel has one row too. */
export function notificationsTable(job: string, sent: readonly SentNotification[], format: ExportFormat): Exported {
  const rows = sent.flatMap(({ id, rule, state, severity, atMs, title, channels }) => {
    const made: OutputValues = { time: timeOf(atMs), id, rule, state, severity, title };
    const none: OutputValues = { channel: null, delivery: null, deliveryTime: null, reason: null };
    const told = channels.map(
      (channel): OutputValues => ({
        channel: channel.name,
        delivery: channel.state,
        deliveryTime: timeOf(channel.atMs),
        reason: channel.reason,
      }),
    );
    return (told.length === 0 ? [none] : told).map((delivery) => ({ ...made, ...delivery }));
  });
  return tableOf(`${job}-notifications`, NOTIFICATION_COLUMNS, rows, format);
}

function tableOf(
  name: string,
  columns: readonly string[],
  values: readonly OutputValues[],
  format: ExportFormat,
): Exported {
  const rows = async function* (): AsyncGenerator<OutputValues> {
    yield* values;
  };
  return { name, format, rows: rows(), options: { columns: columns.map((column) => ({ name: column })) } };
}

/** ISO, UTC. */
function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
