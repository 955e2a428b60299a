import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Key } from '../../src/sessions/key.ts';
import { format } from '../../src/sessions/public-id.ts';
import { PublicIds } from '../../src/sessions/public-ids.ts';
import { randomKeys } from './random-keys.ts';

/** Few values for each word: keys that differ in one of them, and share the place that the others lead to. */
const word = fc.constantFrom(0, 1, -1, 0x1000, 0x1001, 0x40000000, -0x80000000, 0x7fffffff);
const keys = fc.array(fc.tuple(word, word, word, word), { minLength: 1, maxLength: 200 });

test('each key gets its own public id, whichever keys were asked for before', () => {
  const ids = new PublicIds();
  const key = new Key();
  fc.assert(
    fc.property(keys, (list) => {
      for (const [a, b, c, d] of list) {
        // One object for all of them, as an exchange has it: what is kept must not be this one.
        key.set(a, b, c, d);
        const found = ids.of(key);
        assert.equal(found.id, format(key));
        assert.equal(found.tail, `\r\nLimpet-Session: ${format(key)}\r\n\r\n`);
        assert.deepEqual({ ...found.key }, { a, b, c, d });
      }
    }),
    { numRuns: 300 },
  );
});

test('more sessions than there are places have their own ids, in any order', () => {
  const ids = new PublicIds();
  const many = randomKeys(10_000, 7);
  for (const order of [many, many.toReversed(), many]) {
    for (const key of order) assert.equal(ids.of(key).id, format(key));
  }
});

test('what was told of a session stays as it was when another one takes its place', () => {
  const ids = new PublicIds();
  const [one, two] = [new Key(), new Key()];
  one.set(5, 1, 2, 3);
  two.set(5, 1, 2, 4);
  const first = ids.of(one);
  const kept = { id: first.id, tail: first.tail, key: { ...first.key } };
  assert.notEqual(ids.of(two).id, first.id);
  one.set(9, 9, 9, 9);
  assert.deepEqual({ id: first.id, tail: first.tail, key: { ...first.key } }, kept);
});

test('a session that comes again is told by the same object', () => {
  const ids = new PublicIds();
  const [key] = randomKeys(1, 1) as [Key];
  assert.equal(ids.of(key), ids.of(key));
});

test('two sessions whose places are the same, or side by side, do not push each other out', () => {
  for (const [first, second] of [
    [5, 5],
    [4, 5],
    [5, 4],
  ] as const) {
    const ids = new PublicIds();
    const [one, two] = [new Key(), new Key()];
    one.set(first, 1, 2, 3);
    two.set(second, 1, 2, 4);
    const told = [ids.of(one), ids.of(two)];
    for (let times = 0; times < 3; times++)
      assert.deepEqual([ids.of(one) === told[0], ids.of(two) === told[1]], [true, true]);
  }
});
