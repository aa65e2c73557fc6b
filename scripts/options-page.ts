// Prints docs/options.md from the table of options: node scripts/options-page.ts > docs/options.md
import { OPTION_KEYS, optionOf } from "../src/config/schema.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const shownDefault = (value: unknown): string => (value === null ? "–" : `\`${cell(JSON.stringify(value))}\``);

export function optionsPage(): string {
  const rows = OPTION_KEYS.map((key) => {
    const { flag, env, inFile, help, unit, default: fallback, expected } = optionOf(key);
    const places = [flag, inFile ? key : null, env].filter((place) => place !== null);
    return `| ${places.map((place) => `\`${cell(place)}\``).join("<br>")} | ${shownDefault(fallback)} | ${unit ?? ""} | ${cell(help)}; ${cell(expected)} |`;
  });
  return `# Options

Each setting by its flag, its place in \`querymill.yaml\` (\`a.b\` is \`b\` in the group \`a\`) and its environment variable.
A flag wins over the environment, the environment over \`.env\`, that over the file, the file over the default. All
durations of the file are in milliseconds. This page is made from the table in \`src/config/schema.ts\`.

| where | default | unit | what; expected |
|---|---|---|---|
${rows.join("\n")}
`;
}

if (import.meta.main) process.stdout.write(optionsPage());
