import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatConfigError } from '../../src/config/config-error.ts';
import { parseConfig } from '../../src/config/load.ts';

// NAME.yaml goes in; NAME.json (warnings and resolved configuration) or NAME.txt (every error, a line each) comes out.
// After a wanted change: UPDATE_GOLDEN=1 node --test test/config/golden.test.ts, then read the difference.
const directory = fileURLToPath(new URL('golden/', import.meta.url));
const update = process.env.UPDATE_GOLDEN === '1';
const environment = {
  PORT: '8080',
  HOST: '127.0.0.1',
  NAME: 'alpha',
  WEIGHT: '3',
  SHARE: '15',
  NO: 'false',
  EMPTY: '',
  NULL: 'null',
  WORD: 'many',
  STRUCTURE: '5s\n    limits: { headers: 1 }',
};

for (const name of readdirSync(directory)) {
  if (!name.endsWith('.yaml')) continue;
  test(`${name} resolves or is refused as its pair says`, () => {
    const loaded = parseConfig(readFileSync(directory + name, 'utf8'), directory + name, environment);
    const base = directory + name.slice(0, -'.yaml'.length);
    const [ending, other] = 'errors' in loaded ? ['.txt', '.json'] : ['.json', '.txt'];
    const result =
      'errors' in loaded
        ? `${loaded.errors.map(formatConfigError).join('\n')}\n`
        : `${JSON.stringify({ warnings: loaded.warnings, config: loaded.config }, null, 2)}\n`;
    const text = result.replaceAll(directory, '');
    if (update) writeFileSync(base + ending, text);
    assert.ok(
      !existsSync(base + other),
      `${name} was expected to be ${ending === '.txt' ? 'valid' : 'refused'}:\n${text}`,
    );
    const expected = readFileSync(base + ending, 'utf8');
    if (ending === '.json') assert.deepEqual(JSON.parse(text), JSON.parse(expected));
    else assert.equal(text, expected);
  });
}
