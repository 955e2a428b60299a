// Writes the pages of docs/ that are made from the code. Run with `npm run docs:reference` after a change there.
import { writeFileSync } from 'node:fs';
import { REFERENCE_PAGES } from './reference-pages.ts';

for (const [path, make] of Object.entries(REFERENCE_PAGES))
  writeFileSync(new URL(`../../${path}`, import.meta.url), await make());
