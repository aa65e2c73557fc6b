// Prints docs/options.md from the table of options: node scripts/options-page.ts > docs/options.md
import { ENDPOINT_FIELDS } from "../src/config/endpoint-fields.ts";
import type { OptionTable } from "../src/config/option.ts";
import { OPTIONS } from "../src/config/schema.ts";
import { TENANT_FIELDS } from "../src/config/tenant-fields.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const shownDefault = (value: unknown): string => (value === null ? "–" : `\`${cell(JSON.stringify(value))}\``);

export function optionsPage(): string {
  return `# Options

Each setting by its flag, its place in \`querymill.yaml\` (\`a.b\` is \`b\` in the group \`a\`) and its environment variable.
A flag wins over the environment, the environment over \`.env\`, that over the file, the file over the default. All
durations of the file are in milliseconds. This page is made from the table in \`src/config/schema.ts\`.

${tableOf(OPTIONS)}

## Each of \`endpoints\`

How several endpoints work together is in [endpoints.md](endpoints.md).

${tableOf(ENDPOINT_FIELDS)}

## Each of \`tenants\`

Beside every setting of a job. How several tenants live in one process is in [tenants.md](tenants.md).

${tableOf(TENANT_FIELDS)}
`;
}

function tableOf(table: OptionTable): string {
  const rows = Object.entries(table).map(([key, { flag, env, inFile, help, unit, default: fallback, expected }]) => {
    const places = [flag, inFile ? key : null, env].filter((place) => place !== null);
    return `| ${places.map((place) => `\`${cell(place)}\``).join("<br>")} | ${shownDefault(fallback)} | ${unit ?? ""} | ${cell(help)}; ${cell(expected)} |`;
  });
  return `| where | default | unit | what; expected |\n|---|---|---|---|\n${rows.join("\n")}`;
}

if (import.meta.main) process.stdout.write(optionsPage());
