/** Where every copy of @opentelemetry/api 1 keeps what a program has registered. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** Whether this program may have an OpenTelemetry SDK; without one nothing of it has to be loaded. */
export function maySdkBeRegistered(): boolean {
  return Object.hasOwn(globalThis, REGISTERED);
}
