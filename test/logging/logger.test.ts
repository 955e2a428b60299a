import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../src/logging/logger.ts';

function collect(): { lines: Record<string, unknown>[]; write(text: string): void } {
  const lines: Record<string, unknown>[] = [];
  return {
    lines,
    write: (text) => {
      assert.ok(text.endsWith('\n'));
      lines.push(JSON.parse(text));
    },
  };
}

test('a line has its level as a word, its time in ISO 8601, the fields and the message', () => {
  const sink = collect();
  createLogger('info', sink).warn({ pool: 'shop' }, 'backend is down');
  const { time, ...rest } = sink.lines[0]!;
  assert.deepEqual(rest, { level: 'warn', pool: 'shop', msg: 'backend is down' });
  assert.equal(new Date(String(time)).toISOString(), time);
});

test('lines below the level are not written', () => {
  const sink = collect();
  const log = createLogger('warn', sink);
  log.debug({}, 'no');
  log.info({}, 'no');
  log.warn({}, 'yes');
  log.error({}, 'yes');
  createLogger('silent', sink).error({}, 'no');
  assert.deepEqual(
    sink.lines.map(({ msg }) => msg),
    ['yes', 'yes'],
  );
});

test('an error goes in with its message, its stack and its cause', () => {
  const sink = collect();
  createLogger('info', sink).error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed');
  const err = sink.lines[0]!.err as { message: string; stack: string };
  assert.match(err.message, /outer.*inner/);
  assert.match(err.stack, /logger\.test\.ts/);
});
