import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Phase } from '../../../src/admin/control-plane.ts';
import { EventSources } from '../../../src/admin/events/event-sources.ts';
import { EventStream } from '../../../src/admin/events/event-stream.ts';
import type { LimpetEvent } from '../../../src/admin/events/limpet-event.ts';
import { LabelledTotals } from '../../../src/metrics/labelled-totals.ts';

class Sources {
  readonly told: LimpetEvent[] = [];
  readonly labelled = new LabelledTotals();
  phase: Phase = 'ready';
  restarts = 0;
  evictions = 5;
  storeUp = true;
  now = 0;
  readonly sources: EventSources;

  constructor() {
    const stream = new EventStream();
    stream.publish = (event) => void this.told.push(event);
    this.sources = new EventSources({
      stream,
      labelled: this.labelled,
      phase: () => this.phase,
      restarts: () => this.restarts,
      evictions: () => this.evictions,
      now: () => this.now,
      store: () => ({ type: 'redis', up: this.storeUp, since: 0, pending: 0 }),
    });
    this.take();
  }

  failover(to: string, reason: string, count: number): void {
    this.labelled.add([{ name: 'limpet_failovers_total', labels: ['shop', 'a', to, reason], count }]);
  }

  take(): LimpetEvent[] {
    this.sources.look();
    return this.told.splice(0);
  }
}

test('thousands of moves are one event for each way, and each is told once', () => {
  const all = new Sources();
  for (let i = 0; i < 3000; i++) all.failover('b', 'backend-down', 1);
  all.failover('c', 'backend-down', 7);
  all.failover('c', 'operator', 2);
  const way = { event: 'failover', pool: 'shop', from: 'a', reason: 'backend-down' };
  assert.deepEqual(all.take(), [
    { ...way, to: 'b', count: 3000 },
    { ...way, to: 'c', count: 7 },
  ]);
  assert.deepEqual(all.take(), []);
  all.now = 5000;
  all.failover('b', 'backend-down', 4);
  assert.deepEqual(all.take(), [{ ...way, to: 'b', count: 4 }]);
});

test('what goes on and on is told once a second, and the rest of it at the end', () => {
  const all = new Sources();
  const mismatch = () =>
    all.labelled.add([{ name: 'limpet_binding_mismatches_total', labels: ['shop', 'reject'], count: 1 }]);
  const told: unknown[] = [];
  for (; all.now < 3000; all.now += 250) {
    mismatch();
    told.push(...all.take());
  }
  const event = { event: 'binding-mismatch', pool: 'shop', action: 'reject' };
  assert.deepEqual(told, [
    { ...event, count: 1 },
    { ...event, count: 4 },
    { ...event, count: 4 },
  ]);
  all.sources.stop();
  assert.deepEqual(all.told, [{ ...event, count: 3 }]);
});

test('sessions that are ended or moved by hand are told with their key when it is one, with a count when they are many', () => {
  const all = new Sources();
  const end = (key: string) => all.sources.admin({ kind: 'session-ended', pool: 'shop', key, backend: 'a' });
  end('one');
  const told = { event: 'session-ended', pool: 'shop', backend: 'a', reason: 'operator' };
  assert.deepEqual(all.take(), [{ ...told, count: 1, key: 'one' }]);
  for (const key of ['two', 'three', 'four']) end(key);
  all.sources.admin({ kind: 'session-moved', pool: 'shop', key: 'five', from: null, to: 'b' });
  assert.deepEqual(all.take(), [
    { ...told, count: 3 },
    { event: 'session-moved', pool: 'shop', from: null, to: 'b', reason: 'operator', count: 1, key: 'five' },
  ]);
});

test('a reload tells what changed or what is wrong, and lists no more than the first', () => {
  const all = new Sources();
  const changes = Array.from({ length: 30 }, (_, at) => ({ path: `pools.p${at}`, change: 'added' as const }));
  all.sources.reloaded({ ok: true, generation: 2, changes, warnings: [] });
  all.sources.reloaded({
    ok: false,
    errors: [{ file: 'limpet.yaml', line: 1, column: 1, path: 'x', message: 'unknown key' }],
  });
  const [good, bad] = all.take();
  assert.ok(good?.event === 'reload' && good.ok);
  assert.deepEqual([good.generation, good.changed, good.changes.length], [2, 30, 20]);
  assert.ok(bad?.event === 'reload' && !bad.ok);
  assert.deepEqual([bad.mistakes, bad.errors[0]?.message], [1, 'unknown key']);
});

test('evictions, restarts of workers, the store and the stop are told when they change (21, 69)', () => {
  const all = new Sources();
  assert.deepEqual(all.take(), []);
  all.evictions = 9;
  all.restarts = 2;
  all.storeUp = false;
  all.phase = 'stopping';
  assert.deepEqual(all.take(), [
    { event: 'session-ended', pool: null, backend: null, reason: 'evicted', count: 4 },
    { event: 'worker-restart', count: 2, restarts: 2 },
    { event: 'store', up: false },
    { event: 'state', state: 'stopping' },
  ]);
  assert.deepEqual(all.take(), []);
});

test('what is not told yet is told at the end', () => {
  const all = new Sources();
  all.sources.start();
  all.sources.admin({ kind: 'session-ended', pool: 'shop', key: 'last', backend: null });
  all.sources.stop();
  assert.equal(all.told.length, 1);
});
