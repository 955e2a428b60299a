import * as z from 'zod';
import { configSchema } from './schema.ts';

/** The JSON Schema of the configuration file as it is written, for editors; one text, ending in a newline. */
export function jsonSchema(): string {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input' });
  return `${JSON.stringify({ $schema, title: 'limpet configuration', description: 'limpet.yaml', ...schema }, null, 2)}\n`;
}
