import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { LifeWatch } from '../../src/health/life-watch.ts';
import { Restarts } from '../../src/health/restarts.ts';
import { testPool } from '../backends/test-pool.ts';
import { DeadPort } from '../support/dead-port.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from './fake-clock.ts';

test('M1: for a process that is gone one look is to come, however long it is away', async (t) => {
  const dead = await DeadPort.open();
  t.after(() => dead.close());
  const { pool, state } = testPool([{ id: 'a', url: dead.url }]);
  const clock = new FakeClock();
  const log = { warn() {} };
  const restarts = new Restarts({ count() {}, log, now: () => clock.now() });
  const watch = new LifeWatch({ state, restarts, clock, log, letGo() {} });
  t.after(() => watch.stop());
  watch.update([pool]);
  const { life } = pool.backends[0]!;
  life.answer();
  life.end(1, clock.now());
  for (let look = 0; look < 20; look++) {
    watch.tick();
    // It is refused, and the next one is set.
    await eventually('the look to end', () => clock.pending > 0);
    assert.equal(clock.pending, 1);
    watch.tick();
    // A connect that began after any of the watch's has been refused.
    await assert.rejects(once(connect(dead.port, '127.0.0.1'), 'connect'));
    await setImmediate();
    assert.equal(clock.pending, 1);
    if (look % 2 === 1) await clock.advance(50);
  }
  watch.stop();
  assert.equal(clock.pending, 0);
});
