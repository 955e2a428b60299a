import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AuditLog } from '../../src/logging/audit-log.ts';
import { EndsJournal } from '../../src/logging/ends-journal.ts';
import { EventSequence } from '../../src/logging/event-sequence.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { RecentEnds } from '../../src/logging/recent-ends.ts';
import type { SessionEvent } from '../../src/logging/session-journal.ts';
import { WorkerJournal } from '../../src/logging/worker-journal.ts';
import { LabelledTotals } from '../../src/metrics/labelled-totals.ts';
import { eventually } from '../support/eventually.ts';

const NOON = Date.UTC(2026, 0, 31, 12);

function make(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-audit-'));
  const path = join(directory, 'audit.jsonl');
  const sequence = EventSequence.allocate(3);
  const labelled = new LabelledTotals();
  const logged: string[] = [];
  const ends = new RecentEnds();
  const audit = new AuditLog({
    ends,
    sequence,
    threads: 3,
    user: (a, b) => (a === 1 && b === 2 ? 'ann' : null),
    labelled,
    log: createLogger('info', { write: (line) => logged.push(line) }),
  });
  t.after(async () => {
    await audit.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const journals = [1, 2].map((thread) => new WorkerJournal(new EventSequence(sequence, thread), 5));
  return {
    path,
    ends,
    audit,
    logged,
    journals: journals as [WorkerJournal, WorkerJournal],
    send: (thread: 1 | 2) => {
      const batch = journals[thread - 1]!.drain();
      if (batch !== null) audit.take(thread, batch);
    },
    text: () => readFileSync(path, 'utf8'),
    lines: () =>
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, string | null>),
    dropped: () => [...labelled.series('limpet_audit_dropped_total')].reduce((sum, { count }) => sum + count, 0),
  };
}

function event(key: string, more: Partial<SessionEvent> = {}): SessionEvent {
  const none = { pool: 'shop', backend: 'a', from: '', reason: '', userA: 0, userB: 0, client: '' };
  return { event: 'created', time: NOON, key, ...none, ...more };
}

test('a line has always the same members, null where the event has none, in ASCII', async (t) => {
  const { audit, path, text } = make(t);
  assert.equal(audit.isOn, false);
  audit.open(path);
  audit.note(event('k', { client: '10.0.0.1' }));
  audit.note(
    event('k', { event: 'moved', from: 'b', backend: 'ä"', reason: 'operator', userA: 1, userB: 2, pool: '' }),
  );
  await audit.close();
  assert.equal(
    text(),
    '{"time":"2026-01-31T12:00:00.000Z","event":"created","key":"k","pool":"shop","backend":"a","from":null,"reason":null,"user":null,"client":"10.0.0.1"}\n' +
      '{"time":"2026-01-31T12:00:00.000Z","event":"moved","key":"k","pool":null,"backend":"\\u00e4\\"","from":"b","reason":"operator","user":"ann","client":null}\n',
  );
});

test('lines stand in the order of the events of all threads, and so do their times', async (t) => {
  const { audit, path, journals, send, lines } = make(t);
  audit.open(path);
  journals[0].note(event('1', { time: NOON + 5 }));
  journals[1].note(event('2', { time: NOON + 4 }));
  audit.note(event('3', { time: NOON + 6 }));
  journals[0].note(event('4', { time: NOON + 7 }));
  send(2);
  send(1);
  await audit.close();
  assert.deepEqual(
    lines().map(({ key }) => key),
    ['1', '2', '3', '4'],
  );
  const times = lines().map(({ time }) => time!);
  assert.deepEqual(times, times.toSorted());
});

test('what a dead worker had in its hands is passed over at once, and counted', async (t) => {
  const { audit, path, journals, send, lines, dropped } = make(t);
  audit.open(path);
  journals[0].note(event('lost'));
  journals[1].note(event('kept'));
  send(2);
  audit.threadGone(1);
  await eventually('the line', () => lines().length === 1);
  assert.equal(lines()[0]!.key, 'kept');
  assert.equal(dropped(), 1);
});

test('an event that does not come holds the others up for a second only, and is written late', async (t) => {
  const { audit, path, journals, send, lines, dropped } = make(t);
  audit.open(path);
  journals[0].note(event('late'));
  journals[1].note(event('next'));
  send(2);
  await eventually('the line', () => lines().length === 1);
  send(1);
  await eventually('the late line', () => lines().length === 2);
  assert.deepEqual(
    lines().map(({ key }) => key),
    ['next', 'late'],
  );
  assert.equal(dropped(), 0);
});

test('a worker that is not drained keeps so many events, and the rest is counted', async (t) => {
  const { audit, path, journals, send, lines, dropped, logged } = make(t);
  audit.open(path);
  for (let n = 0; n < 8; n++) journals[0].note(event(String(n)));
  send(1);
  await audit.close();
  assert.equal(lines().length, 5);
  assert.equal(dropped(), 3);
  assert.match(logged.join(''), /events of the audit log are lost/);
});

test('another file takes over from the first, what has come before stays in that one', async (t) => {
  const { audit, path, lines } = make(t);
  audit.open(path);
  audit.note(event('1'));
  audit.change(`${path}.2`);
  audit.note(event('2'));
  await audit.close();
  assert.deepEqual(
    lines().map(({ key }) => key),
    ['1'],
  );
  assert.match(readFileSync(`${path}.2`, 'utf8'), /"key":"2"/);
});

test('a file that cannot be opened while limpet runs is said in the log, and what comes is counted when it is lost', async (t) => {
  const { audit, path, logged, dropped } = make(t);
  audit.change(join(path, 'no', 'directory'));
  assert.match(logged.join(''), /audit log cannot be opened/);
  audit.note(event('1'));
  await audit.close();
  assert.equal(dropped(), 1);
});

test('U7: the ends of sessions are kept without a file too, in their order, and nothing else is', (t) => {
  const { audit, ends, journals, send } = make(t);
  const without = new EndsJournal(journals[0]);
  without.note(event('1'));
  without.note(event('1', { event: 'ended', reason: 'application' }));
  without.note(event('2', { event: 'moved' }));
  audit.note(event('3'));
  audit.note(event('3', { event: 'expired', reason: 'idle', userA: 1, userB: 2 }));
  journals[1].note(event('4', { event: 'evicted' }));
  send(2);
  send(1);
  const found = ends.find(() => true, 10).map(({ key, event: name, reason }) => `${key} ${name} ${reason}`.trim());
  assert.deepEqual(found, ['4 evicted', '3 expired idle', '1 ended application']);
});
