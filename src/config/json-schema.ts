import * as z from 'zod';
import { configSchema } from './schema.ts';

/** The JSON Schema of the configuration file as it is written, for editors; one text, ending in a newline. */
export function jsonSchema(): string {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input' });
  // A place for YAML anchors (validate.ts); editors ask for the key when they see it.
  const patternProperties = { '^x-': { description: 'Not read by limpet: a place for YAML anchors.' } };
  const head = { $schema, title: 'limpet configuration', description: 'limpet.yaml' };
  return `${JSON.stringify({ ...head, ...schema, patternProperties }, null, 2)}\n`;
}
