import { readFileSync } from 'node:fs';
import { installation } from './installation.ts';

let known = '';

/** The version of limpet that runs, from its package.json. */
export function packageVersion(): string {
  known ||= (JSON.parse(readFileSync(new URL('package.json', installation.root), 'utf8')) as { version: string })
    .version;
  return known;
}
