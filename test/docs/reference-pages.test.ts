import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REFERENCE_PAGES } from '../../scripts/docs/reference-pages.ts';
import { readPage } from './pages.ts';

for (const [path, make] of Object.entries(REFERENCE_PAGES)) {
  test(`${path} is what npm run docs:reference makes`, async () => {
    assert.equal(readPage(path), await make());
  });
}
