import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventOrder } from '../../src/logging/event-order.ts';

function make(first = 0) {
  const seen: number[] = [];
  // Another first number than 0 is as after 2^32 events.
  const order = new EventOrder<{ sequence: number }>(({ sequence }) => seen.push(sequence), first);
  const add = (...numbers: number[]): void => {
    for (const sequence of numbers) order.add({ sequence });
  };
  return { seen, order, add };
}

test('events of several threads come out in the order of their numbers, whichever comes first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      fc.constantFrom(0, 2 ** 31 - 10, 2 ** 32 - 10),
      (owners, picks, first) => {
        const { seen, add } = make(first);
        const numbers = owners.map((_, at) => (first + at) >>> 0);
        const threads = [0, 1, 2, 3].map((owner) => numbers.filter((_, at) => owners[at] === owner));
        // Each thread sends its own in order, in turns as chance has it.
        for (let left = threads.filter((own) => own.length > 0); left.length > 0; ) {
          add(left[picks.next().value % left.length]!.shift()!);
          left = left.filter((own) => own.length > 0);
        }
        assert.deepEqual(seen, numbers);
      },
    ),
  );
});

test('an event waits for the one before it, until that is passed over; late, it comes at once', () => {
  const { seen, order, add } = make();
  add(0, 2, 3, 5);
  assert.deepEqual(seen, [0]);
  assert.equal(order.waiting, 3);
  assert.equal(order.next, 1);
  order.passGap();
  assert.deepEqual(seen, [0, 2, 3]);
  assert.equal(order.next, 4);
  add(1);
  assert.deepEqual(seen, [0, 2, 3, 1]);
  add(4);
  assert.deepEqual(seen, [0, 2, 3, 1, 4, 5]);
  assert.equal(order.waiting, 0);
});

test('all gaps are passed over at once, in order, also where the numbers begin again', () => {
  const { seen, order, add } = make(2 ** 32 - 2);
  add(1, 2 ** 32 - 1, 4);
  order.passAll();
  assert.deepEqual(seen, [2 ** 32 - 1, 1, 4]);
  assert.equal(order.waiting, 0);
  add(5);
  assert.deepEqual(seen.at(-1), 5);
});
