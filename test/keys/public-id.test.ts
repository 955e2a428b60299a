import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Key } from '../../src/keys/key.ts';
import { format, PublicId, parse } from '../../src/keys/public-id.ts';

const words = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const keys = fc.tuple(words, words, words, words).map(([a, b, c, d]) => {
  const key = new Key();
  key.set(a, b, c, d);
  return key;
});

test('the public id is the key in base64url, and reads back', () => {
  fc.assert(
    fc.property(keys, (key) => {
      const bytes = Buffer.alloc(16);
      [key.a, key.b, key.c, key.d].forEach((word, n) => {
        bytes.writeInt32BE(word, n * 4);
      });
      const id = format(key);
      assert.equal(id, bytes.toString('base64url'));
      const read = new Key();
      assert.equal(parse(id, read), !key.isZero());
      assert.ok(read.equals(key));
    }),
  );
});

test('every other text is refused and leaves the key alone: what parses is exactly what format writes', () => {
  const alphabet = 'ABCXYZabcxyz0189-_+/= \u00e9\u0141'.split('');
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...alphabet), { minLength: 21, maxLength: 23 }).map((letters) => letters.join('')),
    fc.tuple(keys, fc.nat(21), fc.constantFrom(...alphabet)).map(([key, at, letter]) => {
      const id = format(key);
      return id.slice(0, at) + letter + id.slice(at + 1);
    }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const key = new Key();
      key.set(1, 2, 3, 4);
      if (parse(text, key)) assert.equal(format(key), text);
      else assert.deepEqual([key.a, key.b, key.c, key.d], [1, 2, 3, 4]);
    }),
    { numRuns: 2000 },
  );
});

test('another spelling of the same bits, padding and the all-zero key are refused', () => {
  const key = new Key();
  assert.equal(parse('AAAAAQAAAAIAAAADAAAABA', key), true);
  assert.deepEqual([key.a, key.b, key.c, key.d], [1, 2, 3, 4]);
  for (const text of ['AAAAAQAAAAIAAAADAAAABB', 'AAAAAQAAAAIAAAADAAAABA==', 'AAAAAAAAAAAAAAAAAAAAAA', '']) {
    assert.equal(parse(text, new Key()), false, text);
  }
});

test('what a backend is told is of the key that was told last, and a text that was handed out stays as it was', () => {
  fc.assert(
    fc.property(fc.array(keys, { minLength: 1, maxLength: 20 }), (list) => {
      const told = new PublicId();
      const key = new Key();
      const texts: string[] = [];
      // Each twice: one object for all of them, as an exchange has it, and each session again before the next.
      for (const next of list.flatMap((one) => [one, one])) {
        key.copy(next);
        told.tell(key);
        assert.deepEqual({ ...told.key }, { ...next });
        assert.equal(told.id, format(next));
        texts.push(told.tail);
      }
      assert.deepEqual(
        texts,
        list.flatMap((one) => Array(2).fill(`\r\nLimpet-Session: ${format(one)}\r\n\r\n`)),
      );
    }),
  );
});

test('nothing is told before the first key', () => {
  const told = new PublicId();
  assert.deepEqual([told.id, told.tail], ['', '']);
  told.tell(new Key());
  assert.equal(told.id, format(new Key()));
});
