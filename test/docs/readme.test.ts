import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { test } from 'node:test';
import { ROOT, readPage } from './pages.ts';

const README = readPage('README.md');

test('the README has at most 8 KB, so that somebody reads it', () => {
  const { length } = Buffer.from(README);
  assert.ok(length <= 8192, `${length} bytes: what only some readers need has a page in docs/`);
});

test('every file that the README leads to is in the package, so that its links work there', () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
  const packed = new Set(globSync(files, { cwd: ROOT }).map(normalize));
  const linked = [...README.matchAll(/\]\(([^):#]+)(?:#[^)]*)?\)/g)].map(([, file]) => normalize(file!));
  assert.ok(linked.length > 20, `${linked.length} links`);
  assert.deepEqual(
    linked.filter((file) => !packed.has(file)),
    [],
  );
});
