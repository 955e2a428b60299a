import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SessionCopy, ShopSessions } from '../../src/demo/shop-sessions.ts';

function copies(count: number): SessionCopy[] {
  const sessions = new ShopSessions();
  const record = sessions.create('a', 'first-visit');
  return Array.from({ length: count }, (_, index) => {
    assert.ok(record.state);
    record.state.cart = [{ item: 'mug', quantity: index + 1 }];
    const copy = structuredClone({ id: record.id, version: record.version, state: record.state });
    sessions.changed(record);
    return copy;
  });
}

test('an older copy never overwrites a newer one, in whatever order they arrive', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1 }), (order) => {
      const made = copies(6);
      const replica = new ShopSessions();
      for (const index of order) {
        const copy = made[index];
        assert.ok(copy);
        replica.apply(copy);
      }
      const newest = Math.max(...order);
      assert.deepEqual(replica.find(made[0]?.id ?? '')?.state?.cart, [{ item: 'mug', quantity: newest + 1 }]);
    }),
  );
});

test('a copy as old as what is there is refused, and one that is newer is taken', () => {
  const [first, second] = copies(2);
  assert.ok(first && second);
  const replica = new ShopSessions();
  assert.equal(replica.apply(first), true);
  assert.equal(replica.apply(first), false);
  assert.equal(replica.apply(second), true);
  assert.equal(replica.apply(first), false);
});

test('a late copy does not bring an ended session back to life', () => {
  const owner = new ShopSessions();
  const record = owner.create('a', 'first-visit');
  const late = structuredClone({ id: record.id, version: record.version, state: record.state });
  owner.end(record);
  const replica = new ShopSessions();
  replica.apply({ id: record.id, version: record.version, state: null });
  assert.equal(replica.apply(late), false);
  assert.equal(replica.find(record.id)?.state, null);
});

test('a server that answers for a copy counts on from its version, so that the dead owner cannot win later', () => {
  const [first, second] = copies(2);
  assert.ok(first && second);
  const replica = new ShopSessions();
  replica.apply(first);
  const taken = replica.find(first.id);
  assert.ok(taken);
  replica.changed(taken);
  assert.deepEqual(replica.counts(), { sessions: 1, copies: 0 });
  assert.equal(replica.apply(second), false);
});

test('a session gets a new id at rotation and the old id is ended', () => {
  const sessions = new ShopSessions();
  const before = sessions.create('a', 'first-visit');
  const { state } = before;
  assert.ok(state);
  state.cart.push({ item: 'lamp', quantity: 1 });
  const after = sessions.rotate(before, state);
  assert.notEqual(after.id, before.id);
  assert.equal(sessions.find(before.id)?.state, null);
  assert.deepEqual(sessions.find(after.id)?.state?.cart, [{ item: 'lamp', quantity: 1 }]);
  assert.deepEqual(sessions.owned().sort(), [before.id, after.id].sort());
});

test('idle sessions and ended ones are swept after their time, others stay', () => {
  let now = 0;
  const sessions = new ShopSessions(() => now, { max: 10, idle: 1000, ended: 100 });
  const idle = sessions.create('a', 'first-visit');
  const ended = sessions.create('a', 'first-visit');
  const busy = sessions.create('a', 'first-visit');
  sessions.end(ended);
  now = 101;
  sessions.sweep();
  assert.equal(sessions.find(ended.id), undefined);
  assert.ok(sessions.find(idle.id));
  sessions.touch(busy);
  now = 1050;
  sessions.sweep();
  assert.equal(sessions.find(idle.id), undefined);
  assert.ok(sessions.find(busy.id));
});

test('a full server drops the session that was unused for the longest time', () => {
  const sessions = new ShopSessions(() => 0, { max: 2, idle: 1000, ended: 100 });
  const first = sessions.create('a', 'first-visit');
  const second = sessions.create('a', 'first-visit');
  sessions.touch(first);
  sessions.create('a', 'first-visit');
  assert.ok(sessions.find(first.id));
  assert.equal(sessions.find(second.id), undefined);
});
