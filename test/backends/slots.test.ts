import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlotRegistry } from '../../src/backends/slots.ts';

test('a backend keeps its slot for as long as it stays', () => {
  const registry = new SlotRegistry(4);
  const a = registry.assign('shop', 'a');
  assert.deepEqual(a, { slot: 0, generation: 1 });
  assert.deepEqual(registry.assign('shop', 'b'), { slot: 1, generation: 1 });
  assert.deepEqual(registry.assign('api', 'a'), { slot: 2, generation: 1 });
  assert.deepEqual(registry.assign('shop', 'a'), a);
  assert.deepEqual([...registry.assignments.keys()], ['shop/a', 'shop/b', 'api/a']);
});

test('an id that is removed and added again is another backend, also in its old slot (behaviour 12)', () => {
  const registry = new SlotRegistry(
    2,
    () => false,
    () => 7,
  );
  registry.assign('shop', 'a');
  assert.equal(registry.release('shop', 'a'), true);
  assert.equal(registry.release('shop', 'a'), false);
  const reused: number[] = [];
  assert.deepEqual(
    registry.assign('shop', 'a', (slot) => reused.push(slot)),
    { slot: 0, generation: 2, since: 7 },
  );
  assert.deepEqual(reused, [], 'its counters are still its own');
});

test('the generation goes from 1 to 65535 and then around', () => {
  const registry = new SlotRegistry(1);
  const seen = new Set<number>();
  for (let i = 0; i < 65_535; i++) {
    seen.add(registry.assign('p', 'a').generation);
    registry.release('p', 'a');
  }
  assert.equal(seen.size, 65_535);
  assert.equal(seen.has(0), false);
  assert.equal(registry.assign('p', 'a').generation, 1);
});

test('a slot with requests in flight is not given out, and having none left is an error that says why', () => {
  let busy = true;
  const registry = new SlotRegistry(2, (slot) => slot === 0 && busy);
  registry.assign('p', 'a');
  registry.assign('p', 'b');
  registry.release('p', 'a');
  assert.throws(() => registry.assign('p', 'c'), /no slot is free for backend p\/c: limpet holds at most 2 backends/);
  registry.release('p', 'b');
  assert.deepEqual(registry.assign('p', 'c'), { slot: 1, generation: 2 });
  busy = false;
  const reused: number[] = [];
  assert.deepEqual(
    registry.assign('p', 'd', (slot) => reused.push(slot)),
    { slot: 0, generation: 2 },
  );
  assert.deepEqual(reused, [0], "the counters there are another's");
});

test('no two backends ever have one slot, and no slot and generation is given out twice', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd'), add: fc.boolean() })), (steps) => {
      const registry = new SlotRegistry(4);
      const given = new Set<string>();
      for (const { id, add } of steps) {
        if (!add) registry.release('p', id);
        else {
          const isNew = !registry.assignments.has(`p/${id}`);
          const { slot, generation } = registry.assign('p', id);
          assert.equal(given.has(`${slot}/${generation}`), !isNew);
          given.add(`${slot}/${generation}`);
        }
        const slots = [...registry.assignments.values()].map(({ slot }) => slot);
        assert.equal(new Set(slots).size, slots.length);
      }
    }),
  );
});
