import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentEnds } from '../../src/logging/recent-ends.ts';
import type { SessionEvent, SessionEventName } from '../../src/logging/session-journal.ts';

function event(key: string, name: SessionEventName): SessionEvent {
  return { event: name, time: 0, key, pool: 'p', backend: 'a', from: '', reason: '', userA: 0, userB: 0, client: '' };
}

test('U7: the latest ends are found first, as many as are asked for, and the oldest make room', () => {
  const ends = new RecentEnds(3);
  assert.deepEqual(
    ends.find(() => true, 5),
    [],
  );
  for (const key of ['1', '2', '3', '4']) ends.add(event(key, 'expired'));
  for (const other of ['created', 'adopted', 'moved', 'rotated', 'refused', 'binding-mismatch'] as const)
    ends.add(event('other', other));
  assert.equal(ends.size, 3);
  const keys = (most: number, isWanted = (_: { readonly key: string }) => true) =>
    ends.find(isWanted, most).map(({ key }) => key);
  assert.deepEqual(keys(5), ['4', '3', '2']);
  assert.deepEqual(keys(2), ['4', '3']);
  assert.deepEqual(
    keys(5, ({ key }) => key === '2'),
    ['2'],
  );
  assert.deepEqual(
    keys(5, ({ key }) => key === '1'),
    [],
  );
});
