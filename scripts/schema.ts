// Writes config/limpet.schema.json and docs/configuration.md from the schema in src/config. Run with `npm run schema`
// after every change there.
import { writeFileSync } from 'node:fs';
import { jsonSchema } from '../src/config/json-schema.ts';
import { configurationPage } from './docs/configuration-page.ts';

writeFileSync(new URL('../config/limpet.schema.json', import.meta.url), jsonSchema());
writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());
