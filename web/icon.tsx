import type { JSX } from "preact";

/** Drawn for 16 × 16, lines of 1.5. */
const PATHS = {
  overview: "M2.5 13.5v-4M6.2 13.5v-7M9.8 13.5v-5M13.5 13.5v-11",
  items: "M3 4h10M3 8h10M3 12h6",
  queues: "M2.5 9.5 4.6 3h6.8l2.1 6.5v3.5h-11zM2.5 9.5h3.2l1 1.6h2.6l1-1.6h3.2",
  review: "m2.5 8 2.6 2.7L9 5.5M10 11.5h3.5M11.5 8h2",
  insights: "m2 11.5 3.8-4.2 2.9 2.4L14 4.2M10.6 4H14v3.4",
  runs: "M8 4.6V8l2.3 1.5M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  activity: "M2 8.5h2.6L6.4 4l3 8.5 1.9-4H14",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  ok: "m3.4 8.4 3 3.1 6.2-6.9",
  warn: "M8 2.4 14.4 13.4H1.6zM8 6.4v3.2M8 11.5v.1",
  bad: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 5v3.6M8 10.9v.1",
  idle: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM5.5 8h5",
  pause: "M5.6 3.5v9M10.4 3.5v9",
  resume: "M5 3.2 12.5 8 5 12.8z",
  stop: "M4.3 4.3h7.4v7.4H4.3z",
  drain: "M8 2.5v7M4.9 6.6 8 9.7l3.1-3.1M3 13h10",
  tune: "M2 5h5.4M11 5h3M2 11h2.6M8.2 11H14M9.2 6.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6ZM6.4 12.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  search: "M7 11.3a4.3 4.3 0 1 0 0-8.6 4.3 4.3 0 0 0 0 8.6ZM10.3 10.3l3.2 3.2",
  system: "M2 3.5h12v7.5H2zM6 13.5h4",
  light:
    "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  dark: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
  close: "m4 4 8 8M12 4l-8 8",
  export: "M8 2.5v7M4.9 6.4 8 9.5l3.1-3.1M3 13.2h10",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 7.4v3.5M8 5.1v.1",
  lost: "M2 2l12 12M3.2 7.2a7 7 0 0 1 2.6-1.7M8.6 5a7 7 0 0 1 4.2 2.2M5.4 9.6a3.8 3.8 0 0 1 2-1M8 12.4v.1",
  back: "M9.8 3.4 5.2 8l4.6 4.6",
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing beside a word: nothing that has to be read aloud. */
export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The sign of Querymill: a wheel with eight blades. */
export function Wheel(): JSX.Element {
  return (
    <svg class="wheel" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d="M10 1.5v4M10 14.5v4M1.5 10h4M14.5 10h4M4 4l2.8 2.8M13.2 13.2 16 16M16 4l-2.8 2.8M6.8 13.2 4 16M10 13.4a3.4 3.4 0 1 0 0-6.8 3.4 3.4 0 0 0 0 6.8Z" />
    </svg>
  );
}
