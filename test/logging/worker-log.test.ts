import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerLog } from '../../src/logging/worker-log.ts';

test('a drain gives the finished lines since the last one, in order, with the number of the worker', () => {
  const log = new WorkerLog('info', 3);
  assert.equal(log.drain(), '');
  log.logger.info({ a: 1 }, 'first');
  log.write('{"msg":"second"}\n');
  log.logger.info({}, 'third');
  const lines = log.drain().split('\n');
  assert.equal(lines.pop(), '');
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    parsed.map(({ msg, worker }) => [msg, worker]),
    [
      ['first', 3],
      ['second', undefined],
      ['third', 3],
    ],
  );
  assert.equal(log.drain(), '');
});

test('a worker that nobody drains keeps a bounded batch, and says how many lines were lost', () => {
  const log = new WorkerLog('info', 0);
  const line = `${'x'.repeat(1023)}\n`;
  const fit = (8 * 2 ** 20) / line.length;
  for (let i = 0; i < fit + 5; i++) log.write(line);
  assert.equal(log.drain().length, 8 * 2 ** 20);
  const { lines, msg, level } = JSON.parse(log.drain()) as Record<string, unknown>;
  assert.deepEqual({ lines, msg, level }, { lines: 5, msg: 'log lines were lost', level: 'warn' });
  assert.equal(log.drain(), '');
});
