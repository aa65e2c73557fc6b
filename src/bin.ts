#!/usr/bin/env node
// The version gate: it imports nothing before the check, so that an old Node reads a sentence and not a stack trace.
const NEEDED = 24;

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `querymill needs Node ${NEEDED} or newer; this is v${process.versions.node}. ` +
      `Install Node ${NEEDED} from https://nodejs.org or with your version manager, then run the same command again.\n`,
  );
  process.exitCode = 2;
} else {
  const { keepCompiled } = await import("./cli/keep-compiled.ts");
  keepCompiled(process.env);
  const { main } = await import("./cli/main.ts");
  await main(process.argv);
}
