// How much of fresh strings the redactor masks, and what it masks by mistake: node bench/redaction.ts
import { REDACTION_KINDS } from "../src/redaction/kinds.ts";
import { findSecrets } from "../src/redaction/redactor.ts";
import { CLEAN, WITH_SECRETS } from "../test/redaction/fresh-strings.ts";
import { judge } from "../test/redaction/judge.ts";

const find = (text: string) => findSecrets(text, REDACTION_KINDS);
const { byKind, cleanAltered, misses, alarms } = judge(find, WITH_SECRETS, CLEAN);
for (const [kind, { secrets, masked, alarms: wrong }] of Object.entries(byKind))
  console.log(`${kind.padEnd(6)} masked ${masked} of ${secrets}, false alarms ${wrong}`);
const all = Object.values(byKind).reduce((sum, { secrets, masked }) => [sum[0]! + secrets, sum[1]! + masked], [0, 0]);
console.log(`all    masked ${all[1]} of ${all[0]}; clean strings altered ${cleanAltered} of ${CLEAN.length}`);
for (const miss of misses) console.log(`missed       ${miss}`);
for (const alarm of alarms) console.log(`false alarm  ${alarm}`);
