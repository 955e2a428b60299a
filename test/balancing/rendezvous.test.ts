import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Backend } from '../../src/backends/backend.ts';
import { nameHash } from '../../src/backends/name-hash.ts';
import { rendezvous } from '../../src/balancing/rendezvous.ts';
import { Key } from '../../src/keys/key.ts';
import { testPool } from '../backends/test-pool.ts';
import { seeded, seededKey } from './seeded.ts';

const { pool } = testPool(Array.from({ length: 12 }, (_, index) => ({ id: `b${index}` })));
const ids = fc.uniqueArray(fc.nat(11), { minLength: 1, maxLength: 12 });
const words = fc.tuple(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1));
const weights = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 12, maxLength: 12 });

function keyOf([a, b, c, d]: [number, number, number, number]): Key {
  const key = new Key();
  key.set(a, b, c, d);
  return key;
}

test('the order of the list does not matter', () => {
  fc.assert(
    fc.property(ids, words, weights, fc.nat(), (slots, four, weightBySlot, seed) => {
      const weightOf = ({ slot }: Backend): number => weightBySlot[slot]!;
      const list = slots.map((slot) => pool.backends[slot]!);
      const random = seeded(seed);
      const other = list.toSorted(() => random() - 0.5);
      const key = keyOf(four);
      assert.equal(rendezvous(list, list.length, key, weightOf), rendezvous(other, other.length, key, weightOf));
    }),
  );
});

test('the order of the list does not matter for backends whose names have one hash either', () => {
  const [a, b] = pool.backends;
  const twins = [a!, { ...b!, hash: a!.hash }];
  const key = keyOf([1, 2, 3, 4]);
  for (const weightOf of [() => 1, () => 0]) {
    assert.equal(rendezvous(twins, 2, key, weightOf), a);
    assert.equal(rendezvous(twins.toReversed(), 2, key, weightOf), a);
  }
});

test('a candidate that leaves moves only its own keys (behaviour 33)', () => {
  fc.assert(
    fc.property(ids, words, weights, fc.nat(), (slots, four, weightBySlot, index) => {
      const weightOf = ({ slot }: Backend): number => weightBySlot[slot]! + 1;
      const list = slots.map((slot) => pool.backends[slot]!);
      const key = keyOf(four);
      const before = rendezvous(list, list.length, key, weightOf);
      const gone = list[index % list.length]!;
      if (gone === before) return;
      const rest = list.filter((backend) => backend !== gone);
      assert.equal(rendezvous(rest, rest.length, key, weightOf), before);
    }),
  );
});

test('a heavier candidate only wins keys, and equal weights choose as their integers do, whatever the weight', () => {
  fc.assert(
    fc.property(ids, words, fc.nat(), (slots, four, index) => {
      const list = slots.map((slot) => pool.backends[slot]!);
      const key = keyOf(four);
      const before = rendezvous(list, list.length, key, () => 1);
      assert.equal(
        rendezvous(list, list.length, key, () => 7.5),
        before,
      );
      const raised = list[index % list.length]!;
      const after = rendezvous(list, list.length, key, (backend) => (backend === raised ? 2 : 1));
      assert.ok(after === before || after === raised);
    }),
  );
});

test('the choice for a key is the same in every release: sessions of a cluster do not move with an upgrade', () => {
  const random = seeded(42);
  const list = ['a', 'b', 'c', 'd'].map((id) => ({ ...pool.backends[0]!, id, hash: nameHash(`shop/${id}`) }));
  const equal = Array.from({ length: 24 }, () => rendezvous(list, 4, seededKey(random), () => 1).id).join('');
  const weighted = Array.from(
    { length: 24 },
    () => rendezvous(list, 4, seededKey(random), ({ id }) => (id === 'a' ? 5 : 1)).id,
  );
  assert.equal(equal, 'aaccccaaacdbabdadbbbdadd');
  assert.equal(weighted.join(''), 'adaaaadadaaabdaaddaaaaad');
});

test('keys that differ in one bit of their first two words spread evenly all the same', () => {
  for (const word of ['a', 'b'] as const) {
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 5000; i++) {
      const key = new Key();
      key[word] = i;
      counts[rendezvous(pool.backends, 5, key, () => 1).slot]!++;
    }
    for (const count of counts) assert.ok(Math.abs(count - 1000) < 4.5 * Math.sqrt(800), counts.join(' '));
  }
});

test('entries behind the count are not looked at', () => {
  const random = seeded(9);
  for (let i = 0; i < 100; i++) assert.ok(rendezvous(pool.backends, 3, seededKey(random), () => 1).slot < 3);
});
