import { type Command, Option } from "commander";
import { settingsSchema, taxonomySchema } from "../config/json-schema.ts";
import { makeCommand } from "./options.ts";

/** `querymill schema`: the JSON schema of a file for editors, on stdout. */
export function schemaCommand(): Command {
  const command = makeCommand(
    "schema",
    `Prints the JSON schema of querymill.yaml, by which editors complete and check it. One comment at the top of the
file leads an editor there (VS Code with the YAML extension, JetBrains, Neovim, Helix):

  # yaml-language-server: $schema=./querymill.schema.json`,
    `querymill schema > querymill.schema.json
querymill schema --taxonomy > taxonomy.schema.json`,
  );
  return command
    .addOption(new Option("--taxonomy", "the schema of a taxonomy file instead"))
    .action(({ taxonomy }: { readonly taxonomy?: boolean }) => {
      const schema = taxonomy === true ? taxonomySchema() : settingsSchema();
      process.stdout.write(schemaText(schema));
    });
}

/** A schema as it stands in a file. */
export function schemaText(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}
