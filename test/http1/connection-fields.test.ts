import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONNECTION_FIELD_IDS, CONNECTION_FIELDS } from '../../src/http1/connection-fields.ts';
import { HeaderId, hashName, headerId } from '../../src/http1/header-id.ts';

test('the fields about one connection are the same by name and by number', () => {
  const ids = [...CONNECTION_FIELDS].map((name) => headerId(Buffer.from(name), 0, name.length, hashName(name)));
  assert.deepEqual(ids, [...CONNECTION_FIELD_IDS]);
  assert.equal(ids.includes(HeaderId.other), false);
});
