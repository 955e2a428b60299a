import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendView } from '../../src/admin/control-plane.ts';
import type { Pool } from '../../src/backends/pool.ts';
import { call } from './call.ts';
import { LiveLimpet } from './live-limpet.ts';
import { startAdmin } from './start-admin.ts';

test('a backend that departs says so, is not made ready, and may be taken out at once (44)', async (t) => {
  // As a reload leaves it: in the model, and draining.
  const limpet: LiveLimpet = new LiveLimpet(100, {
    discovered: () => new Set(['shop/b']),
    pools: () => limpet.pools.map(departing),
  });
  limpet.state.setAdminState(limpet.slot('shop', 'a'), 'drain');
  const { address } = await startAdmin(t, {}, limpet.control);
  const patch = (body: unknown) => call(address, 'PATCH', '/api/v1/pools/shop/backends/a', { body });
  const { backends } = (await call(address, 'GET', '/api/v1/pools/shop')).json() as { backends: BackendView[] };
  assert.deepEqual(
    backends.map(({ id, departing, discovered }) => [id, departing, discovered]),
    [
      ['a', true, false],
      ['b', false, true],
      ['c', false, false],
    ],
  );
  const ready = await patch({ state: 'ready' });
  assert.equal(ready.status, 409);
  assert.match(String(ready.json().detail), /put it back into the file and reload/);
  assert.deepEqual((await patch({ state: 'maintenance' })).json().state, 'maintenance');
});

function departing(pool: Pool): Pool {
  const backends = pool.backends.map((backend) => ({ ...backend, departing: backend.id === 'a' }));
  return { ...pool, backends, byId: new Map(backends.map((backend) => [backend.id, backend])) };
}
