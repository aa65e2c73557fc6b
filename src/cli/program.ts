import { relative } from "node:path";

/**
 * How this program is typed again. Installed it is `querymill`; sources that run unbuilt are reached through npm when
 * npm started them, else through node.
 * @param script the file that node was started with
 */
export function programName(
  script: string = process.argv[1] ?? "",
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (!/[\\/]src[\\/]bin\.ts$/.test(script)) return "querymill";
  if (env.npm_lifecycle_event !== undefined) return "npm run -s querymill --";
  const short = relative(process.cwd(), script);
  return `node ${short.startsWith("..") ? script : short}`;
}

/** A command written for an installed `querymill`, as it has to be typed here. */
export function asTyped(command: string): string {
  return command.replace(/\bquerymill (?=[a-z])/, `${programName()} `);
}
