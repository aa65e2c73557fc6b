import { OwnerLock } from "../../src/state/owner.ts";

/** Takes the lock of a folder, says how that went, and holds it until it is killed or its input ends. */
const [folder] = process.argv.slice(2);
/** Kept: a lock that nobody knows any more is released. */
export const held: OwnerLock[] = [];
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.stdin.once("data", () => {
  try {
    held.push(
      OwnerLock.take(folder!, { pid: process.pid, host: "this-host", executionId: "x-1", since: "noon" }, "support"),
    );
    process.stdout.write("held\n");
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ code: (error as { code?: string }).code, message: String(error) })}\n`);
  }
});
process.stdout.write("ready\n");
