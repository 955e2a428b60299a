import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RedisSupervisor, type RedisSupervisorParts } from '../../../../src/sessions/store/redis/redis-supervisor.ts';
import { CHANGED } from '../../../../src/sessions/table/row-changes.ts';

test('L3: whether the store is up is known without a look at the rows', () => {
  // Of ten million sessions.
  const changes = new SharedArrayBuffer(12_500_000);
  new Uint8Array(changes).fill(CHANGED, 1_000, 1_100);
  const parts = { memory: { changes }, config: { prefix: 'x' }, workers: 2, pools: () => [], now: Date.now };
  const supervisor = new RedisSupervisor(parts as unknown as RedisSupervisorParts);
  const began = performance.now();
  for (let n = 0; n < 10_000; n++) assert.equal(supervisor.view.up, false);
  // A look at every row would take some minutes.
  assert.ok(performance.now() - began < 20_000, `${performance.now() - began} ms`);
  assert.equal(supervisor.view.pending, 100);
});
