import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Where Node's own timers may be used, and what for. None of them is a time whose end is somebody's failure: that is
 * for Deadline and the wheel.
 */
const TIMERS: Readonly<Record<string, string>> = {
  'src/timing/timer-wheel.ts': 'turns the wheel',
  'src/timing/clock.ts': 'when to do something next: probes, look-ups of the DNS, ticks',
  'src/admin/admin-door.ts': 'between two tries; the question whether a limpet is there, at the start',
  'src/admin/events/event-sources.ts': 'a tick',
  'src/admin/events/event-stream.ts': 'a sign of life',
  'src/app.ts': 'a tick',
  'src/config/watch.ts': 'when to look at the file again',
  'src/upstream/http2/backend-session.ts': 'the end of a session that carries nothing',
  'src/logging/audit-file.ts': 'between two tries',
  'src/logging/audit-log.ts': 'how long lines wait for an earlier one; then they are written all the same',
  'src/logging/log-output.ts': 'between two tries',
  'src/sessions/persistence/handover-peer.ts': 'a tick',
  'src/sessions/store/redis/connection.ts': 'between two tries, a tick',
  'src/sessions/store/redis/redis-supervisor.ts': 'ticks',
  'src/sessions/store/redis/refusals.ts': 'looks, and how long Redis keeps what other nodes say',
  'src/sessions/persistence/snapshot-copy.ts': 'between two tries',
  'src/sessions/persistence/snapshot-file.ts': 'leaves others time',
  'src/sessions/persistence/snapshot-keeper.ts': 'a tick',
  'src/sockets/prove-readiness.ts': 'counts the punctual turns in which an engine has to prove itself',
  'src/tracing/otlp-post.ts': 'a connect that is tried again',
  'src/tracing/span-exporter.ts': 'between two tries, a tick',
  'src/supervisor/supervisor.ts': 'before a worker is started again, ticks',
  'src/supervisor/worker-stack.ts': 'how long a thread that is to be ended is sampled, and waited for',
};

test('L0: what is late is decided by the wheel: timers of Node are where it costs nobody anything', () => {
  const found = globSync('src/**/*.ts', { cwd: root })
    .filter((path) => !/^src\/(?:cli|demo)\//.test(path))
    .filter((path) =>
      /\b(?:setTimeout|setInterval)\b(?! from)|AbortSignal\.timeout|\btimeout: [A-Z_]+_MS/.test(
        readFileSync(join(root, path), 'utf8').replace(/^\s*(?:\/\/|\*|\/\*\*).*$/gm, ''),
      ),
    )
    .sort();
  assert.deepEqual(found, Object.keys(TIMERS).sort(), 'see TIMERS, and Deadline in src/timing');
});

test('L0: a deadline without a Timed of its own has the margin of the wheel too: `at`', () => {
  for (const path of globSync('src/**/*.ts', { cwd: root })) {
    if (path.startsWith('src/timing/')) continue;
    assert.doesNotMatch(readFileSync(join(root, path), 'utf8'), /[wW]heel\.now \+/, path);
  }
});
