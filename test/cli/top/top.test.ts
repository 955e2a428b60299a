import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { callLimpet } from '../call-limpet.ts';
import { startFakeAdmin } from '../fake-admin.ts';
import { runLimpet } from '../run-limpet.ts';

const backend = (id: string, requests: number, latency: number | null = 1) => ({
  id,
  state: 'ready',
  health: 'up',
  activeRequests: 2,
  sessions: 3,
  requests,
  failures: 0,
  latency,
  lastChange: '1970-01-01T00:00:00.000Z',
  lastError: null,
});

/** An admin API where requests go on: with each look `a` has 10 more, `b` has 100 more, and the session 5 more. */
async function fake(context: TestContext, { more = false } = {}) {
  let looks = 0;
  const admin = await startFakeAdmin(({ line }) => {
    if (line === 'GET /api/v1/status') {
      looks++;
      return {
        json: {
          version: '1.2.3',
          state: 'ready',
          uptime: 65,
          workers: 2,
          workerRestarts: 1,
          sessions: 6,
          requests: looks * 110,
        },
      };
    }
    if (line === 'GET /api/v1/pools') {
      const backends = [backend('a', looks * 10, 9), backend('b', looks * 100), { ...backend('c', 0), health: 'down' }];
      return { json: { pools: [{ name: 'shop', balance: 'random', sessions: 6, backends }] } };
    }
    assert.equal(line, 'GET /api/v1/sessions?limit=1000');
    const session = { key: 'k1', pool: 'shop', backend: 'b', user: 'ada', requests: 1, moves: 0, lastSeen: 0 };
    return { json: { sessions: [session, { ...session, key: 'k2', requests: looks * 5 }], cursor: more ? 'x' : null } };
  });
  context.after(admin.stop);
  return { ...admin, run: (...args: string[]) => callLimpet(context, ['top', ...args, '--admin', admin.url]) };
}

test('where standard output is no terminal, one picture is printed, with rates from two looks, the busiest first', async (context) => {
  const { url, seen } = await fake(context);
  const { status, stdout, stderr } = await runLimpet(['top', '--interval', '200ms', '--admin', url]);
  assert.deepEqual([status, stderr, seen.length], [0, '', 6]);
  const lines = stdout.split('\n');
  assert.match(lines[0]!, /^limpet 1\.2\.3 {2}ready {2}up 1m 05s {2}2 workers \(1 restarts\)$/);
  assert.match(stdout, /^POOL +REQ\/S +SESSIONS +ACTIVE +UP +BALANCE$/m);
  assert.match(stdout, /^shop +\d+(\.\d)? +6 +6 +2\/3 +random$/m);
  const order = lines.map((line) => /^shop\/(\w)/.exec(line)?.[1]).filter((id) => id !== undefined);
  assert.deepEqual(order, ['b', 'a', 'c']);
  assert.match(stdout, /^k2 +shop +b +ada +\d[\d.]* +\d+ +0 +-$/m);
  assert.ok(stdout.indexOf('\nk2') < stdout.indexOf('\nk1'));
});

test('--json is one document, sorted as asked', async (context) => {
  const { run } = await fake(context, { more: true });
  const { status, stdout } = await run('--json', '--interval', '0.2', '--sort', 'latency');
  assert.equal(status, 0);
  const document = JSON.parse(stdout) as {
    time: string;
    seconds: number;
    status: { requestsPerSecond: number; version: string };
    pools: { requestsPerSecond: number; backends: { id: string; requestsPerSecond: number; latency: number }[] }[];
    sessions: { key: string; requestsPerSecond: number | null }[];
    more: boolean;
  };
  assert.ok(Date.parse(document.time) > 0 && document.seconds >= 0.19);
  const [pool] = document.pools;
  assert.deepEqual(
    pool!.backends.map(({ id }) => id),
    ['a', 'b', 'c'],
  );
  const [a, b, c] = pool!.backends.map(({ requestsPerSecond }) => requestsPerSecond);
  assert.ok(a! > 0 && Math.abs(b! / a! - 10) < 0.1 && c === 0, `${a} ${b} ${c}`);
  assert.equal(document.status.version, '1.2.3');
  assert.deepEqual([document.sessions[0]!.key, document.more], ['k2', true]);
});

test('what cannot be is status 2, and a limpet that does not answer status 1, in one line', async (context) => {
  const { run } = await fake(context);
  for (const interval of ['0', '100ms', '2h', 'soon', '-1s']) {
    const { status, stderr } = await run(`--interval=${interval}`);
    assert.equal(status, 2, interval);
    assert.match(stderr, /^limpet: --interval must be a duration from 200ms to 1h.*\n$/);
  }
  assert.match((await run('--sort', 'colour')).stderr, /Choices: "rate"/);
  const gone = await callLimpet(context, ['top', '--once', '--admin', 'http://127.0.0.1:1']);
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, /^limpet: cannot reach limpet at .*ECONNREFUSED.*\n$/);
  const other = await startFakeAdmin(() => ({ json: {} }));
  context.after(other.stop);
  const { status, stderr } = await callLimpet(context, ['top', '--once', '--admin', other.url]);
  assert.equal(status, 1);
  assert.match(stderr, /the answer has no (pools|sessions): is this limpet's admin API/);
});
