import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StartError } from '../../src/errors-start.ts';
import { LogOutput } from '../../src/logging/log-output.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { loadPrettyFormat } from '../../src/logging/pretty-format.ts';

/** A deadline that only a defect reaches. */
const LONG = 60_000;

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'limpet-log-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function file(t: TestContext): { descriptor: number; read: () => string } {
  const path = join(folder(t), 'out');
  const descriptor = openSync(path, 'a');
  t.after(() => closeSync(descriptor));
  return { descriptor, read: () => readFileSync(path, 'utf8') };
}

/** A pipe that neither side waits on: the writer is told EAGAIN when it is full. */
function pipe(t: TestContext, end: 'close' | 'leave open' = 'close'): { reader: number; writer: number } {
  const path = join(folder(t), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  if (end === 'close') t.after(() => closeSync(writer));
  return { reader, writer };
}

/** Everything that comes out of a pipe until `done` has settled and the pipe is empty. */
async function readUntil(reader: number, done: Promise<unknown>): Promise<string> {
  let text = '';
  let settled = false;
  void done.then(() => (settled = true));
  const buffer = Buffer.alloc(1 << 16);
  for (;;) {
    const last = settled;
    try {
      text += buffer.toString('latin1', 0, readSync(reader, buffer));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      if (last) return text;
      await new Promise(setImmediate);
    }
  }
}

test('lines of the supervisor and batches of the workers come out whole, in the order they were given', async (t) => {
  const { descriptor, read } = file(t);
  const output = new LogOutput(null, descriptor);
  const log = createLogger('info', output);
  let expected = '';
  for (let i = 0; i < 500; i++) {
    const batch = `{"batch":${i}}\n{"again":${i}}\n`;
    output.write(batch);
    expected += batch;
    if (i % 7 === 0) log.info({ i }, 'between');
  }
  await output.close(LONG);
  const lines = read().split('\n');
  assert.equal(lines.filter((line) => line.includes('between')).length, 72);
  assert.equal(lines.filter((line) => !line.includes('between')).join('\n'), expected);
});

test('what is written after the close is not written', async (t) => {
  const { descriptor, read } = file(t);
  const output = new LogOutput(null, descriptor);
  output.write('a\n');
  await output.close(LONG);
  output.write('b\n');
  output.flushSync();
  assert.equal(read(), 'a\n');
});

test('a flush at the end of the process writes what is waiting at once', async (t) => {
  const { descriptor, read } = file(t);
  const output = new LogOutput(null, descriptor);
  output.write('first, under way\n');
  output.write('second\n');
  output.flushSync();
  assert.match(read(), /second\n/);
  // The first line is still in the hands of a thread of Node's, and must not meet a descriptor of another test.
  await output.close(LONG);
  assert.equal(read().split('\n').sort().join(), ',first, under way,second');
});

test('pretty: lines of both kinds become text for people', async (t) => {
  const { descriptor, read } = file(t);
  const output = new LogOutput(await loadPrettyFormat(), descriptor);
  createLogger('info', output).warn({ pool: 'shop' }, 'backend is down');
  output.write(
    '{"level":"info","time":"2026-01-31T12:00:05.007Z","msg":"request","status":200}\n{"level":"error","msg":"last"}\n',
  );
  await output.close(LONG);
  const lines = read().split('\n');
  assert.equal(lines.length, 4);
  assert.match(lines[0]!, /^\[.*\] WARN: backend is down \{"pool":"shop"\}$/);
  assert.match(lines[1]!, /^\[\d\d:\d\d:05\.007\] INFO: request \{"status":200\}$/);
  assert.match(lines[2]!, /^ERROR: last/);
});

test('a full disk costs lines and nothing else, at the end of the process too (69)', async () => {
  const full = openSync('/dev/full', 'w');
  const output = new LogOutput(null, full);
  output.write('one\n');
  output.write('two\n');
  output.flushSync();
  output.write('three\n');
  await output.close(LONG);
  closeSync(full);
});

test('a reader that is gone costs lines and nothing else (69)', async (t) => {
  const { reader, writer } = pipe(t);
  closeSync(reader);
  const output = new LogOutput(null, writer);
  output.write('one\n');
  output.write('two\n');
  output.flushSync();
  await output.close(LONG);
  output.write('three\n');
});

test('a slow reader makes lines wait in memory, and they come out whole and in order', async (t) => {
  const { reader, writer } = pipe(t);
  t.after(() => closeSync(reader));
  const output = new LogOutput(null, writer);
  const expected = Array.from({ length: 4000 }, (_, i) => `${i} ${'x'.repeat(60)}\n`).join('');
  for (const line of expected.match(/.*\n/g)!) output.write(line);
  assert.equal(await readUntil(reader, output.close(LONG)), expected);
});

test('a reader that takes nothing does not hold up a close for longer than its deadline', async (t) => {
  // Left open: a write may be under way when the deadline comes, and must not meet a descriptor of another test.
  const { writer } = pipe(t, 'leave open');
  const output = new LogOutput(null, writer);
  output.write(`${'x'.repeat(1 << 20)}\n`);
  await output.close(30);
});

test('lines beyond the longest backlog are dropped, counted, and the next line says so', async (t) => {
  const { reader, writer } = pipe(t);
  t.after(() => closeSync(reader));
  const output = new LogOutput(null, writer, 2000);
  const half = `${'x'.repeat(999)}\n`;
  output.write(`${'y'.repeat(1999)}\n`);
  output.write(half);
  output.write(half);
  output.write('dropped\ndropped\n');
  const text = await readUntil(reader, output.close(LONG));
  const notice = text.split('\n').find((line) => line.includes('lost'))!;
  assert.deepEqual(
    { ...JSON.parse(notice), time: 0 },
    { level: 'warn', time: 0, lines: 2, msg: 'log lines were lost' },
  );
  assert.equal(text.includes('dropped'), false);
});

test('an output that is not open is refused at the start, in one line', (t) => {
  const path = join(folder(t), 'out');
  const descriptor = openSync(path, 'w');
  writeSync(descriptor, '');
  closeSync(descriptor);
  assert.throws(
    () => new LogOutput(null, 999_999),
    (error) => error instanceof StartError && /redirect/.test(error.message),
  );
});
