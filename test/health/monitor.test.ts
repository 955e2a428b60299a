import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { buildPools } from '../../src/backends/build-pools.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import { HealthMonitor } from '../../src/health/monitor.ts';
import { testConfig, testPool, type WrittenBackend } from '../backends/test-pool.ts';
import { seeded } from '../balancing/seeded.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeProbes } from './fake-probes.ts';

const ACTIVE = { interval: '2s', timeout: '1s', rise: 2, fall: 3 };

function setUp(backends: readonly WrittenBackend[], health: object = { active: ACTIVE }) {
  const { pool, memory } = testPool(backends, { health });
  const clock = new FakeClock();
  const state = new SharedState(memory, -1, () => clock.now());
  const probes = new FakeProbes(clock);
  const log: string[] = [];
  const changes: string[] = [];
  const line =
    (level: string) =>
    (fields: object, message: string): void => {
      const { backend, reason } = fields as { backend: string; reason: string };
      log.push(`${level} ${backend}: ${message} (${reason})`);
    };
  const monitor = new HealthMonitor({
    state,
    logger: { info: line('info'), warn: line('warn') },
    onChange: ({ backend, to }) => changes.push(`${backend.id} ${to}`),
    clock,
    random: seeded(1),
    probes: probes.factories,
  });
  return { pool, state, clock, probes, log, changes, monitor };
}

test('a backend is unknown and usable until its first probe, and up after one success (behaviour 41)', async () => {
  const { pool, state, clock, monitor, log, changes } = setUp([{ id: 'a' }]);
  monitor.start([pool]);
  assert.equal(state.health(0), 'unknown');
  assert.equal(state.isOpen(0), true);
  await clock.advance(2000);
  assert.equal(state.health(0), 'up');
  await clock.advance(20_000);
  assert.deepEqual(log, ['info a: backend is up (probe succeeded)']);
  assert.deepEqual(changes, ['a up']);
  await monitor.stop();
});

test('71: probes that limpet has no connection for say nothing of the backend, and one line a while says so', async () => {
  const { pool, state, clock, probes, monitor, log } = setUp([{ id: 'a' }, { id: 'b' }]);
  monitor.start([pool]);
  await clock.advance(4000);
  log.length = 0;
  for (const id of ['a', 'b']) probes.failing.add(id);
  probes.failure = { ok: false, reason: 'EMFILE', code: 'INTERNAL' };
  await clock.advance(15_000);
  assert.deepEqual([state.health(0), state.health(1), state.lastError(0)], ['up', 'up', null]);
  assert.equal(log.length, 2);
  assert.match(log[0]!, /^warn [ab]: no connection for a probe can be opened: .*ulimit -n\) \(EMFILE\)$/);
  await monitor.stop();
});

test('fall failures take a backend down and rise successes bring it back; only flips are logged (behaviour 40)', async () => {
  const { pool, state, clock, probes, monitor, log } = setUp([{ id: 'a' }, { id: 'b' }]);
  monitor.start([pool]);
  await clock.advance(4000);
  log.length = 0;
  probes.failing.add('a');
  const before = probes.times('a').length;
  while (probes.times('a').length < before + 2) await clock.advance(100);
  assert.equal(state.health(0), 'up');
  while (probes.times('a').length < before + 3) await clock.advance(100);
  assert.equal(state.health(0), 'down');
  assert.equal(state.isUsable(0), false);
  assert.equal(state.lastError(0), 'BACKEND_CONNECT');
  assert.equal(state.failures(0), 0);
  await clock.advance(20_000);
  probes.failing.clear();
  const down = probes.times('a').length;
  while (probes.times('a').length < down + 1) await clock.advance(100);
  assert.equal(state.health(0), 'down');
  await clock.advance(2300);
  assert.equal(state.health(0), 'up');
  assert.equal(state.health(1), 'up');
  await clock.advance(20_000);
  assert.deepEqual(log, ['warn a: backend is down (ECONNREFUSED)', 'info a: backend is up (probe succeeded)']);
  await monitor.stop();
});

test('the probes of 200 backends are spread evenly at the start and stay spread (behaviour 40)', async () => {
  const { pool, clock, probes, monitor } = setUp(Array.from({ length: 200 }, (_, index) => ({ id: `b${index}` })));
  const start = clock.now();
  monitor.start([pool]);
  await clock.advance(20_000);
  const perSlice = new Array<number>(200).fill(0);
  for (const { at } of probes.asked) perSlice[Math.floor((at - start) / 100)]!++;
  // Ten in a tenth of a second is perfectly even; the second probe of a backend comes 1.8 s after the first at the
  // earliest.
  for (const count of perSlice.slice(0, 18)) assert.ok(count >= 9 && count <= 11, perSlice.join(' '));
  for (const count of perSlice) assert.ok(count <= 30, perSlice.join(' '));
  const gaps = pool.backends.flatMap(({ id }) =>
    probes.times(id).map((at, index, all) => at - (all[index - 1] ?? Number.NaN)),
  );
  for (const gap of gaps) if (!Number.isNaN(gap)) assert.ok(gap >= 1800 && gap <= 2200, `${gap}`);
  assert.ok(new Set(gaps.map(Math.round)).size > 100);
  await monitor.stop();
});

test('probes of one backend never overlap, even when each takes longer than the interval (behaviour 40)', async () => {
  const { pool, clock, probes, monitor } = setUp([{ id: 'a' }]);
  probes.takes = 5000;
  monitor.start([pool]);
  await clock.advance(60_000);
  assert.equal(probes.mostAtOnce, 1);
  assert.ok(probes.times('a').length >= 10);
  await monitor.stop();
});

test('a draining backend is probed, one in maintenance is not and counts as unknown (behaviour 39)', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a' }, { id: 'b' }, { id: 'c', state: 'maintenance' }]);
  monitor.start([pool]);
  await clock.advance(4000);
  state.setAdminState(0, 'drain');
  state.setAdminState(1, 'maintenance');
  await clock.advance(200);
  const [a, b] = [probes.times('a').length, probes.times('b').length];
  await clock.advance(10_000);
  assert.ok(probes.times('a').length >= a + 4);
  assert.equal(probes.times('b').length, b);
  assert.equal(probes.times('c').length, 0);
  assert.equal(state.health(0), 'up');
  assert.equal(state.health(1), 'unknown');
  await monitor.stop();
});

test('a backend that comes out of maintenance is probed at once, and one that was down stays down until then', async () => {
  const { pool, state, clock, probes, monitor, log } = setUp([{ id: 'a' }]);
  probes.failing.add('a');
  monitor.start([pool]);
  await clock.advance(8000);
  state.setAdminState(0, 'maintenance');
  await clock.advance(5000);
  const before = probes.times('a').length;
  probes.failing.clear();
  state.setAdminState(0, 'ready');
  assert.equal(state.isUsable(0), false);
  await clock.advance(201);
  assert.equal(probes.times('a').length, before + 1);
  await clock.advance(2300);
  assert.equal(state.health(0), 'up');
  assert.equal(log.length, 2);
  await monitor.stop();
});

test('a result that comes when the backend is in maintenance already says nothing', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a' }], { active: { ...ACTIVE, fall: 1 } });
  probes.takes = 50;
  monitor.start([pool]);
  await clock.advance(4000);
  probes.failing.add('a');
  while (probes.inFlight.length === 0) await clock.advance(10);
  state.setAdminState(0, 'maintenance');
  await clock.advance(60);
  assert.notEqual(state.health(0), 'down');
  await monitor.stop();
});

test('a recovered backend comes to its weight in steps; at the start all have it at once (behaviour 43)', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a', weight: 10 }, { id: 'b' }], {
    active: { ...ACTIVE, interval: '1s', rise: 1, fall: 1 },
    slowStart: '10s',
  });
  const weights = new Set<number>();
  monitor.start([pool]);
  for (let i = 0; i < 30; i++) {
    await clock.advance(100);
    assert.equal(state.weight(0), 10);
  }
  probes.failing.add('a');
  await clock.advance(2500);
  assert.equal(state.health(0), 'down');
  probes.failing.clear();
  while (state.health(0) !== 'up') await clock.advance(10);
  assert.equal(state.weight(0), 1);
  assert.equal(state.weight(1), 1);
  for (let i = 0; i < 50; i++) {
    await clock.advance(100);
    weights.add(Math.round(state.weight(0)));
  }
  assert.deepEqual([...weights], [1, 2, 3, 4, 5]);
  // Down again and up again: from the start.
  probes.failing.add('a');
  await clock.advance(2500);
  probes.failing.clear();
  while (state.health(0) !== 'up') await clock.advance(10);
  assert.equal(state.weight(0), 1);
  await clock.advance(10_200);
  assert.equal(state.weight(0), 10);
  await monitor.stop();
});

test('an ejected backend comes back after its time, slowly, and stays out of the draw until then (behaviour 42)', async () => {
  const { pool, state, clock, monitor, log, changes } = setUp([{ id: 'a', weight: 10 }, { id: 'b' }], {
    passive: { eject: '30s' },
    slowStart: '10s',
  });
  monitor.start([pool]);
  state.setLastError(0, ERROR_CODES.indexOf('BACKEND_CONNECT'));
  state.eject(0, clock.now() + 30_000);
  await clock.advance(29_900);
  assert.equal(state.ejected(0), true);
  await clock.advance(300);
  assert.equal(state.ejected(0), false);
  assert.equal(state.weight(0), 1);
  await clock.advance(12_000);
  assert.equal(state.weight(0), 10);
  assert.deepEqual(log, [
    'warn a: backend is ejected (BACKEND_CONNECT)',
    'info a: backend is returned (its time is over)',
  ]);
  assert.deepEqual(changes, ['a ejected', 'a returned']);
  assert.equal(state.health(0), 'unknown');
  await monitor.stop();
});

test('an ejection and a failing probe are two verdicts: neither takes the other back', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a' }, { id: 'b' }], {
    active: ACTIVE,
    passive: { eject: '30s' },
  });
  monitor.start([pool]);
  await clock.advance(4000);
  state.eject(0, clock.now() + 30_000);
  await clock.advance(10_000);
  assert.equal(state.ejected(0), true);
  assert.equal(state.health(0), 'up');
  probes.failing.add('a');
  await clock.advance(30_000);
  assert.equal(state.ejected(0), false);
  assert.equal(state.isUsable(0), false);
  await monitor.stop();
});

test('an ejection ends when probes see the backend go down and come up again: it was restarted', async () => {
  const { pool, state, clock, probes, monitor, log } = setUp([{ id: 'a' }, { id: 'b' }], {
    active: ACTIVE,
    passive: { eject: '1h' },
  });
  monitor.start([pool]);
  await clock.advance(4000);
  state.eject(0, clock.now() + 3_600_000);
  probes.failing.add('a');
  while (state.health(0) !== 'down') await clock.advance(100);
  assert.equal(state.ejected(0), true);
  probes.failing.clear();
  while (state.health(0) !== 'up') await clock.advance(100);
  assert.equal(state.isUsable(0), true);
  assert.match(log.at(-1)!, /backend is returned \(probes saw it recover\)/);
  await monitor.stop();
});

test('an ejected backend comes back at once when no other is open any more (behaviour 42)', async () => {
  const { pool, state, clock, monitor, log } = setUp([{ id: 'a' }, { id: 'b' }], { passive: { eject: '30s' } });
  monitor.start([pool]);
  state.eject(0, clock.now() + 30_000);
  await clock.advance(1000);
  assert.equal(state.ejected(0), true);
  state.setHealth(1, 'down');
  await clock.advance(200);
  assert.equal(state.ejected(0), false);
  assert.match(log.at(-1)!, /no other backend is available/);
  await monitor.stop();
});

test('a clock that is set back neither prolongs an ejection nor a slow start nor the wait for a probe', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a', weight: 10 }, { id: 'b' }], {
    active: ACTIVE,
    passive: { eject: '30s' },
    slowStart: '10s',
  });
  probes.takes = 100;
  monitor.start([pool]);
  state.eject(0, clock.now() + 30_000);
  await clock.advance(5000);
  while (probes.inFlight.length === 0) await clock.advance(10);
  clock.setBack(3_600_000);
  const before = probes.asked.length;
  await clock.advance(5000);
  assert.equal(state.ejected(0), false);
  assert.ok(probes.asked.length >= before + 4);
  clock.setBack(3_600_000);
  await clock.advance(400);
  assert.equal(state.weight(0), 10);
  await monitor.stop();
});

test('an ejection that a worker dates a moment ahead of this look lasts its time', async () => {
  const { pool, state, clock, monitor } = setUp([{ id: 'a' }, { id: 'b' }], { passive: { eject: '30s' } });
  monitor.start([pool]);
  await clock.advance(1_000);
  // The look of the supervisor has begun, at its time, when the worker reads the clock.
  state.eject(0, clock.now() + 200 + 7 + 30_000);
  await clock.advance(200);
  assert.equal(state.ejected(0), true);
  await clock.advance(29_800);
  assert.equal(state.ejected(0), true);
  await clock.advance(400);
  assert.equal(state.ejected(0), false);
  await monitor.stop();
});

test('M1: an ejected backend that was restarted is let back in once it is there', async () => {
  const { pool, state, clock, monitor } = setUp([{ id: 'a' }, { id: 'b' }], { passive: { eject: '30s' } });
  const { life } = pool.backends[0]!;
  monitor.start([pool]);
  life.answer();
  // Its process dies, and the connects that it refuses eject it.
  life.end(1, clock.now());
  state.eject(0, clock.now() + 30_000);
  await clock.advance(1_000);
  assert.equal(state.ejected(0), true, 'nobody has taken its place');
  life.accept();
  await clock.advance(400);
  assert.equal(state.ejected(0), false);
  // What the new one does is held against it.
  state.eject(0, clock.now() + 30_000);
  await clock.advance(1_000);
  assert.equal(state.ejected(0), true);
  await monitor.stop();
});

test('a reload keeps the schedule and the counts of backends that stay as they were (behaviour 44)', async () => {
  const written = [{ id: 'a' }, { id: 'b' }];
  const { pool, state, clock, probes, monitor } = setUp(written);
  monitor.start([pool]);
  await clock.advance(3000);
  probes.failing.add('a');
  const before = probes.times('a').length;
  while (probes.times('a').length < before + 2) await clock.advance(100);
  const settings = { health: { active: ACTIVE }, balance: 'random' };
  const slots = new Map(pool.backends.map(({ id, slot, generation }) => [`shop/${id}`, { slot, generation }]));
  const [reloaded] = buildPools(testConfig(written, settings), slots);
  monitor.update([reloaded!]);
  assert.equal(probes.configs.length, 2);
  await clock.advance(2300);
  // The third failure in a row, not the first.
  assert.equal(state.health(0), 'down');
  await monitor.stop();
});

test('a reload stops the probes of what is gone, starts those of what is new, and forgets the health of what moved', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
  monitor.start([pool]);
  await clock.advance(4000);
  assert.equal(state.health(1), 'up');
  const slots = new Map([
    ['shop/b', { slot: 1, generation: 1 }],
    ['shop/c', { slot: 2, generation: 2 }],
    ['shop/d', { slot: 3, generation: 1 }],
  ]);
  state.reset(2, { admin: 'ready', weight: 1 });
  state.reset(3, { admin: 'ready', weight: 1 });
  const config = testConfig([{ id: 'b', url: 'http://127.0.0.1:9999' }, { id: 'c' }, { id: 'd' }], {
    health: { active: ACTIVE },
  });
  monitor.update(buildPools(config, slots));
  assert.deepEqual(
    [1, 2, 3].map((slot) => state.health(slot)),
    ['unknown', 'unknown', 'unknown'],
  );
  probes.asked.length = 0;
  await clock.advance(4500);
  assert.deepEqual([...new Set(probes.asked.map(({ id }) => id))].sort(), ['b', 'c', 'd']);
  assert.deepEqual(
    [1, 2, 3].map((slot) => state.health(slot)),
    ['up', 'up', 'up'],
  );
  await monitor.stop();
});

test('a reload that takes the probes away makes a backend that was down usable again', async () => {
  const { pool, state, clock, probes, monitor } = setUp([{ id: 'a' }]);
  probes.failing.add('a');
  monitor.start([pool]);
  await clock.advance(8000);
  assert.equal(state.health(0), 'down');
  const slots = new Map([['shop/a', { slot: 0, generation: 1 }]]);
  monitor.update(buildPools(testConfig([{ id: 'a' }], { health: { active: null } }), slots));
  assert.equal(state.health(0), 'unknown');
  await clock.advance(100);
  const before = probes.asked.length;
  await clock.advance(10_000);
  assert.equal(probes.asked.length, before);
  await monitor.stop();
});

test('stop breaks off what is under way and leaves no timer behind', async () => {
  const { pool, clock, probes, monitor } = setUp([{ id: 'a' }, { id: 'b' }]);
  probes.takes = 900;
  monitor.start([pool]);
  while (probes.inFlight.length === 0) await clock.advance(10);
  const underWay = probes.inFlight.length;
  await monitor.stop();
  assert.equal(probes.aborted, underWay);
  assert.equal(clock.pending, 0);
  await setImmediate();
  assert.equal(clock.pending, 0);
  assert.throws(() => {
    monitor.start([pool]);
    monitor.start([pool]);
  }, /running already/);
  await monitor.stop();
});
