import { readFileSync } from 'node:fs';

let known = '';

/** The version of limpet that runs, from its package.json. */
export function packageVersion(): string {
  known ||= (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;
  return known;
}
