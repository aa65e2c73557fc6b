import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { EventPage, Level, LoggedEvent, SentNotification } from "../src/dashboard/api.ts";
import { get, sayError, withQuery } from "./client.ts";
import { ExportLinks } from "./export-links.tsx";
import { moment } from "./format.ts";
import { Icon } from "./icon.tsx";
import { Button, Card, Choice, Empty, Failed, Filling, Loading, Pill, type PillLevel, ViewHead } from "./parts.tsx";
import { useResource } from "./resource.ts";
import { freshEvents, me, now, part, say, streams } from "./state.ts";

const PAGE = 200;
const LEVELS: readonly { readonly value: "all" | Level; readonly text: string }[] = [
  { value: "all", text: "All" },
  { value: "warn", text: "Warnings" },
  { value: "bad", text: "Problems" },
];
const LEVEL_WORDS: Readonly<Record<Level, string>> = { ok: "fine", warn: "warning", bad: "problem", idle: "note" };

/** What happened, and who was told of it. */
export function ActivityView(): JSX.Element {
  return (
    <>
      <ViewHead title="Activity" note="events of this process, and notifications sent" />
      <div class="two">
        <div class="two-main">
          <EventsCard />
        </div>
        <div class="two-side">
          <NotificationsCard />
        </div>
      </div>
    </>
  );
}

function EventsCard(): JSX.Element {
  const [name, setName] = useState("");
  const [level, setLevel] = useState<"all" | Level>("all");
  const [older, setOlder] = useState<readonly LoggedEvent[]>([]);
  const [isEnd, setIsEnd] = useState(false);
  const { data, error, reload } = useResource<EventPage>(withQuery("/events", { name, limit: PAGE }), streams);
  useEffect(() => {
    setOlder([]);
    setIsEnd(false);
  }, [name, streams.value]);
  const fresh = freshEvents.value;
  const all = useMemo(() => {
    const bySeq = new Map<number, LoggedEvent>();
    for (const event of [...older, ...(data?.events ?? []), ...fresh])
      if (name === "" || event.name === name) bySeq.set(event.seq, event);
    return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
  }, [older, data, fresh, name]);
  const shown = level === "all" ? all : all.filter((event) => event.level === level);
  const more = async (): Promise<void> => {
    try {
      const page = await get<EventPage>(withQuery("/events", { name, after: all.at(-1)?.seq ?? null, limit: PAGE }));
      setOlder((before) => [...before, ...page.events]);
      setIsEnd(page.events.length < PAGE);
    } catch (refused) {
      say("bad", sayError(refused));
    }
  };
  return (
    <Card
      title="Events"
      id="events"
      aside={<ExportLinks path="/events/export" query={{ name, level: level === "all" ? "" : level }} what="events" />}
    >
      <div class="filters">
        <label class="field">
          Name
          <select value={name} onChange={(event) => setName(event.currentTarget.value)}>
            <option value="">all names</option>
            {(data?.names ?? []).map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <Choice name="level" label="Level" options={LEVELS} value={level} onChange={setLevel} />
      </div>
      {error !== null && <Failed what="The events" why={error} again={reload} />}
      {data === null && error === null && <Loading rows={12} what="the events" />}
      {data !== null && shown.length === 0 && <NoEvent isAny={name === "" && level === "all"} />}
      {shown.length > 0 && (
        <ol class="events">
          {shown.map((event) => (
            <OneEvent key={event.seq} event={event} />
          ))}
        </ol>
      )}
      {data !== null && !isEnd && data.events.length >= PAGE && (
        <footer class="card-foot">
          <Button onClick={() => void more()}>Older events</Button>
        </footer>
      )}
    </Card>
  );
}

function NoEvent({ isAny }: { isAny: boolean }): JSX.Element {
  if (!isAny) return <Empty title="No such event">Nothing of this kind has happened.</Empty>;
  return (
    <Empty title="Nothing has happened yet">
      <Filling>what happens is told here, from when this server was started.</Filling>
    </Empty>
  );
}

function OneEvent({ event }: { event: LoggedEvent }): JSX.Element {
  return (
    <li class={event.level}>
      <span class="num">{moment(event.atMs, now.peek())}</span>
      <Icon name={event.level} />
      <span class="unseen">{LEVEL_WORDS[event.level]}</span>
      <code>{event.name}</code>
      <span>{event.text}</span>
    </li>
  );
}

const STATES: Readonly<Record<SentNotification["state"], PillLevel>> = {
  problem: "bad",
  recovered: "ok",
  information: "info",
};
const CHANNELS: Readonly<Record<SentNotification["channels"][number]["state"], { level: PillLevel; word: string }>> = {
  waiting: { level: "idle", word: "waiting" },
  delivered: { level: "ok", word: "delivered" },
  "given-up": { level: "bad", word: "given up" },
};

/** Deliveries are looked for so often, ms. */
const DELIVERIES_MS = 15_000;
/** Another text whenever somebody was told of something, and now and then. */
const told = part(() => {
  const made = freshEvents.value.findLast(({ name }) => name === "notification:made")?.seq ?? "";
  return `${streams.value} ${made} ${Math.floor(now.value / DELIVERIES_MS)}`;
});

function NotificationsCard(): JSX.Element {
  const { data, error, reload } = useResource<SentNotification[]>("/notifications", told);
  return (
    <Card
      title="Notifications"
      id="notifications"
      aside={data?.length ? <ExportLinks path="/notifications/export" query={{}} what="notifications" /> : undefined}
    >
      {error !== null && <Failed what="The notifications" why={error} again={reload} />}
      {data === null && error === null && <Loading rows={5} what="the notifications" />}
      {data?.length === 0 && (
        <Empty title="Nobody was told of anything">
          Channels of job <b>{me.value?.job}</b> are set up in <code>querymill.yaml</code> under <code>notify</code>;{" "}
          <code>querymill notify test</code> tries them.
        </Empty>
      )}
      {data !== null && data.length > 0 && (
        <ul class="notifications">
          {data.map((one) => (
            <li key={one.id}>
              <p class="notification-head">
                <Pill level={one.state === "problem" && one.severity !== "critical" ? "warn" : STATES[one.state]}>
                  {one.state}
                </Pill>
                <span class="num dim">{moment(one.atMs, now.peek())}</span>
              </p>
              <p>{one.title}</p>
              <ul class="channels">
                {one.channels.map(({ name, state, atMs, reason }) => (
                  <li key={name}>
                    <span>{name}</span>
                    <Pill level={CHANNELS[state].level}>{CHANNELS[state].word}</Pill>
                    <span class="num dim">{atMs === null ? "" : moment(atMs, now.peek())}</span>
                    {reason !== null && <span class="channel-reason">{reason}</span>}
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
