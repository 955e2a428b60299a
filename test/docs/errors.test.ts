import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS } from '../../src/errors.ts';

test('the table of errors in the documentation is the one in the code', () => {
  const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| ([A-Z_]+) \| (\d{3}) \| ([a-z]+) \| (–|\d+|at least \d+) \| \S/gm)];
  assert.deepEqual(
    rows.map(([, code, status, fault, retryAfter]) => ({
      code,
      status: Number(status),
      fault,
      retryAfter: retryAfter === '–' ? 0 : Number(retryAfter!.replace('at least ', '')),
    })),
    Object.values(ERRORS).map(({ code, status, fault, retryAfter }) => ({ code, status, fault, retryAfter })),
  );
});
