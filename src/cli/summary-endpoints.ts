import type { RunSnapshot } from "../events.ts";
import * as f from "./format.ts";
import { troubleOf } from "./panel-endpoints.ts";
import { shares } from "./shares.ts";

/** Which of several endpoints answered how many calls, how fast, and why some take no more; nothing for a single one. */
export function endpointShares(endpoints: RunSnapshot["endpoints"], durationMs: number, look: f.Look): string[] {
  if (endpoints.length < 2) return [];
  const { ascii, columns, style } = look;
  const tenths = shares(endpoints.map(({ answered }) => answered));
  const several = new Set(endpoints.map(({ model }) => model)).size > 1;
  const name = Math.min(20, Math.max(8, ...endpoints.map((endpoint) => f.widthOf(f.printable(endpoint.name)))));
  const head = `  ${f.left("Endpoint", name + 2)}${f.right("answered", 12)}${f.right("share", 10)}${f.right("calls/s", 10)}${f.right("p50", 9)}`;
  const rows = endpoints.map((endpoint, index) => {
    const { answered, p50Ms, model } = endpoint;
    const share = `${(tenths[index]! / 10).toFixed(1)} %`;
    const perSecond = f.rate(answered / Math.max(1, durationMs / 1_000));
    const label = f.left(f.clip(f.printable(endpoint.name), name, ascii), name);
    const line = `    ${label}${f.right(f.count(answered), 12)}${f.right(share, 10)}${f.right(perSecond, 10)}${f.right(f.latency(p50Ms, f.symbols(ascii).dash), 9)}`;
    const aside = troubleOf(endpoint) ?? (several ? f.printable(model) : "");
    return f.clip(aside === "" ? line : `${line}   ${style("dim", aside)}`, columns, ascii);
  });
  return [f.clip(style("dim", head), columns, ascii), ...rows];
}
