// Writes config/limpet.schema.json from the schema in src/config. Run with `npm run schema` after every change there.
import { writeFileSync } from 'node:fs';
import { jsonSchema } from '../src/config/json-schema.ts';

writeFileSync(new URL('../config/limpet.schema.json', import.meta.url), jsonSchema());
