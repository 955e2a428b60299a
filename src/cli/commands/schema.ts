import { jsonSchema } from '../../config/json-schema.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions } from '../global-options.ts';
import { printLine } from '../output.ts';

/** `limpet schema`: the JSON Schema of the configuration file. */
export const command: Command<GlobalOptions> = {
  builder: (argv) => argv.example(...example('$0 schema > limpet.schema.json', 'write it to a file')),
  handler: () => {
    printLine(jsonSchema());
  },
};
