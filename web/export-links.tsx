import type { JSX } from "preact";
import { exportUrl } from "./client.ts";
import { Icon } from "./icon.tsx";

/** Links to files of what is seen. @param props.path of the export; `query` its filters; `what` for those who hear the page */
export function ExportLinks(props: {
  path: string;
  query: Readonly<Record<string, string>>;
  what: string;
}): JSX.Element {
  const { path, query, what } = props;
  return (
    <fieldset class="joined" aria-label={`Export ${what}`}>
      <a class="button" href={exportUrl(path, query, "csv")} download>
        <Icon name="export" />
        <span class="unseen">Export {what} as </span>CSV
      </a>
      <a class="button" href={exportUrl(path, query, "jsonl")} download>
        <span class="unseen">Export {what} as </span>JSONL
      </a>
    </fieldset>
  );
}
