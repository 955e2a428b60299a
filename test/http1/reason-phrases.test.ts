import assert from 'node:assert/strict';
import { STATUS_CODES } from 'node:http';
import { test } from 'node:test';
import { REASON_PHRASES } from '../../src/http1/reason-phrases.ts';

/** Where RFC 9110 has other names than Node (sections 15.5.14 and 15.5.21). */
const RENAMED = { 413: 'Content Too Large', 422: 'Unprocessable Content' };
/** A joke, and one that nobody has registered. */
const LEFT_OUT = ['418', '509'];

test('the reason phrases are those of Node, but for what RFC 9110 names otherwise', () => {
  const expected = Object.entries({ ...STATUS_CODES, ...RENAMED }).filter(([status]) => !LEFT_OUT.includes(status));
  assert.deepEqual(Object.entries(REASON_PHRASES), expected);
});
