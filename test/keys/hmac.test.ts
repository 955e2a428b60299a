import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Hmac } from '../../src/keys/hmac.ts';

test('it is HMAC-SHA256 as node:crypto has it, for keys and messages of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 200 }), (key, message) => {
      const hmac = new Hmac(key, message.length);
      const into = Buffer.alloc(32);
      // What stands behind the message does not count, and an earlier message leaves nothing behind.
      hmac.digest(Buffer.alloc(message.length, 1), into);
      hmac.digest(Buffer.concat([message, Buffer.from('more')]), into);
      assert.deepEqual(into, createHmac('sha256', key).update(message).digest());
    }),
    { numRuns: 300 },
  );
});

test('a shorter target gets the first bytes', () => {
  const key = Buffer.from('key');
  const into = Buffer.alloc(16);
  new Hmac(key, 3).digest(Buffer.from('abc'), into);
  assert.deepEqual(into, createHmac('sha256', key).update('abc').digest().subarray(0, 16));
});

test('a key longer than a block is refused', () => {
  assert.throws(() => new Hmac(new Uint8Array(65), 1), RangeError);
});
