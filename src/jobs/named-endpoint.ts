import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import type { Endpoint } from "../traffic/endpoint.ts";
import type { Gateway } from "../traffic/gateway.ts";

/** @param gateway null: not open yet @throws QuerymillError USAGE when the run has none of that name, or none yet */
export function namedEndpoint(gateway: Gateway | null, { endpoints }: JobSettings, name: string): Endpoint {
  const endpoint = gateway?.find(name);
  if (endpoint !== undefined) return endpoint;
  const names = endpoints.map((one) => one.name);
  const why = names.includes(name)
    ? "It is not open yet: wait for execution:start."
    : `This run has ${names.join(", ")}.${didYouMean(name, names)}`;
  throw new QuerymillError("USAGE", `There is no endpoint ${name}. ${why}`);
}
