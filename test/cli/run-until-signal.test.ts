import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock, test } from 'node:test';
import { type RunOptions, runUntilSignal, type Stoppable } from '../../src/cli/run-until-signal.ts';

function rig(options: Partial<RunOptions<Stoppable>> = {}) {
  const signals = new EventEmitter();
  const calls: string[] = [];
  const stopped = Promise.withResolvers<void>();
  const running: Stoppable = {
    stop: (graceMs) => {
      calls.push(`stop ${graceMs}`);
      return stopped.promise;
    },
    stopNow: () => calls.push('stopNow'),
  };
  const ended = runUntilSignal({
    signals,
    graceMs: 5,
    start: async () => running,
    onHangup: () => calls.push('hangup'),
    ...options,
  });
  return { signals, calls, stopped, running, ended };
}

test('the first signal stops gracefully with the grace of the configuration', async () => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const { signals, calls, stopped, ended } = rig();
    signals.emit(signal);
    stopped.resolve();
    assert.equal(await ended, 0);
    assert.deepEqual(calls, ['stop 5']);
    assert.deepEqual(signals.eventNames(), []);
  }
});

test('a second signal stops at once, with status 1', async () => {
  const { signals, calls, ended } = rig();
  signals.emit('SIGTERM');
  signals.emit('SIGINT');
  assert.equal(await ended, 1);
  assert.deepEqual(calls.slice(-1), ['stopNow']);
});

test('SIGHUP ends nothing', async () => {
  const { signals, calls, stopped, ended } = rig();
  await new Promise(setImmediate);
  signals.emit('SIGHUP');
  signals.emit('SIGHUP');
  signals.emit('SIGTERM');
  stopped.resolve();
  assert.equal(await ended, 0);
  assert.deepEqual(calls, ['hangup', 'hangup', 'stop 5']);
});

test('a SIGHUP that comes during the start is obeyed once it is over, and none once it stops', async () => {
  const start = Promise.withResolvers<Stoppable>();
  const { signals, calls, stopped, running, ended } = rig({ start: () => start.promise });
  signals.emit('SIGHUP');
  signals.emit('SIGHUP');
  assert.deepEqual(calls, []);
  start.resolve(running);
  await new Promise(setImmediate);
  assert.deepEqual(calls, ['hangup']);
  signals.emit('SIGTERM');
  signals.emit('SIGHUP');
  stopped.resolve();
  assert.equal(await ended, 0);
  assert.deepEqual(calls, ['hangup', 'stop 5']);
});

test('one that is taken over stops gracefully, and a signal that comes then does not cut it short', async () => {
  const takenOver = Promise.withResolvers<void>();
  const running = { stop: () => stopped.promise, takenOver: takenOver.promise };
  const { signals, calls, stopped, ended } = rig({ start: async () => running });
  const stop = mock.method(running, 'stop');
  await new Promise(setImmediate);
  assert.equal(stop.mock.callCount(), 0);
  takenOver.resolve();
  await new Promise(setImmediate);
  assert.equal(stop.mock.callCount(), 1);
  signals.emit('SIGTERM');
  signals.emit('SIGHUP');
  await new Promise(setImmediate);
  stopped.resolve();
  assert.equal(await ended, 0);
  assert.deepEqual(calls, []);
});

test('a signal during the start is obeyed after it, a second one gives up', async () => {
  const start = Promise.withResolvers<Stoppable>();
  const first = rig({ start: () => start.promise });
  first.signals.emit('SIGTERM');
  start.resolve(first.running);
  first.stopped.resolve();
  assert.equal(await first.ended, 0);
  assert.deepEqual(first.calls, ['stop 5']);
  const second = rig({ start: () => new Promise(() => {}) });
  second.signals.emit('SIGTERM');
  second.signals.emit('SIGTERM');
  assert.equal(await second.ended, 1);
});

test('a start or a stop that fails is passed on, and the signals are let go', async () => {
  const failed = rig({ start: () => Promise.reject(new Error('port in use')) });
  await assert.rejects(failed.ended, /port in use/);
  assert.deepEqual(failed.signals.eventNames(), []);
  const { signals, stopped, ended } = rig();
  signals.emit('SIGTERM');
  stopped.reject(new Error('cannot stop'));
  await assert.rejects(ended, /cannot stop/);
});
