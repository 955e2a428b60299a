import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIXED_KEY_PATHS } from '../../src/config/fixed-key-paths.ts';
import { readPage } from './pages.ts';

test('the page on reloads names the keys that a reload cannot change', () => {
  const [, section = ''] =
    /^## What cannot change at run time\n([\s\S]*?)^## /m.exec(readPage('docs/operate/reload.md')) ?? [];
  assert.deepEqual(
    [...section.matchAll(/`([^`]+)`/g)].map(([, key]) => key),
    FIXED_KEY_PATHS.map((path) => path.join('.')),
  );
});
