import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { countdown } from '../../src/cli/countdown.ts';
import { ProgressLines } from '../../src/cli/drain-progress.ts';
import { callLimpet } from './call-limpet.ts';
import { type Answer, type Seen, startFakeAdmin } from './fake-admin.ts';

/** Answers of a limpet with one backend, which is asked for again and again. */
async function fake(context: TestContext, looks: readonly (readonly [sessions: number, requests: number] | null)[]) {
  let nth = 0;
  const state = { evacuation: { moved: 0, stayed: 0 } as unknown, admin: 'drain' };
  const answer = ({ line }: Seen): Answer => {
    if (line.startsWith('PATCH')) return { json: {} };
    if (line.endsWith('/evacuate')) return { json: state.evacuation };
    const look = looks[Math.min(nth++, looks.length - 1)]!;
    const backends = look === null ? [] : [{ id: 'a', state: state.admin, sessions: look[0], activeRequests: look[1] }];
    return { json: { pools: [{ name: 'shop', backends }] } };
  };
  const admin = await startFakeAdmin(answer);
  context.after(admin.stop);
  const run = (...args: string[]) =>
    callLimpet(context, ['backends', 'drain', 'shop/a', '--wait', ...args, '--admin', admin.url]);
  return { run, state, seen: admin.seen };
}

test('drain --wait shows what is left and ends when nothing is', async (context) => {
  const { run, seen } = await fake(context, [
    [2, 1],
    [0, 0],
  ]);
  assert.deepEqual(await run(), {
    status: 0,
    stdout: 'shop/a: 2 sessions and 1 request left\nshop/a has drained: no session and no request is left\n',
    stderr: '',
  });
  assert.deepEqual(
    seen.map(({ line, body }) => `${line} ${body}`.trim()),
    ['PATCH /api/v1/pools/shop/backends/a {"state":"drain"}', 'GET /api/v1/pools', 'GET /api/v1/pools'],
  );
});

test('at the deadline the rest is moved, and --json is one document', async (context) => {
  const { run, state, seen } = await fake(context, [
    [2, 0],
    [0, 0],
  ]);
  state.evacuation = { moved: 2, stayed: 0 };
  const { status, stdout, stderr } = await run('--deadline', '0s', '--json');
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  const { seconds, ...document } = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal(typeof seconds, 'number');
  assert.deepEqual(document, { pool: 'shop', id: 'a', drained: true, sessions: 0, activeRequests: 0, moved: 2 });
  assert.ok(seen.some(({ line, body }) => `${line} ${body}` === 'POST /api/v1/pools/shop/backends/a/evacuate {}'));
});

test('sessions that may go nowhere are status 1', async (context) => {
  const { run, state } = await fake(context, [[2, 0]]);
  state.evacuation = { moved: 0, stayed: 2 };
  const { status, stderr } = await run('--deadline', '0s');
  assert.equal(status, 1);
  assert.match(stderr, /^limpet: shop\/a still has 2 sessions that may go nowhere else .*repeat the command/);
});

test('a backend that is gone at its end has drained; one made ready again has not', async (context) => {
  const gone = await fake(context, [[1, 0], null]);
  assert.match((await gone.run()).stdout, /shop\/a has drained and left the configuration\n$/);
  const ready = await fake(context, [[1, 0]]);
  ready.state.admin = 'ready';
  const { status, stderr } = await ready.run();
  assert.equal(status, 1);
  assert.match(stderr, /^limpet: shop\/a was made ready again meanwhile/);
});

test('Ctrl-C ends the wait, leaves the backend draining and says so', async (context) => {
  const { run, seen } = await fake(context, [[3, 1]]);
  const before = process.listenerCount('SIGINT');
  const ended = run('--deadline', '1h');
  while (!seen.some(({ line }) => line.startsWith('GET'))) await new Promise(setImmediate);
  process.emit('SIGINT');
  const { status, stderr } = await ended;
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^limpet: interrupted with 3 sessions and 1 request left: shop\/a goes on draining; limpet backends ready shop\/a ends that\n$/,
  );
  assert.equal(process.listenerCount('SIGINT'), before);
  assert.equal(seen.filter(({ line }) => line.startsWith('PATCH')).length, 1);
});

test('an answer that is not limpet’s is no empty backend', async (context) => {
  const admin = await startFakeAdmin(() => ({ json: {} }));
  context.after(admin.stop);
  const { status, stderr } = await callLimpet(context, ['backends', 'drain', 'shop/a', '--wait', '--admin', admin.url]);
  assert.equal(status, 1);
  assert.match(stderr, /the answer has no pools/);
});

test('what is no terminal gets a line when the numbers change, at most one a second', (context) => {
  const print = context.mock.method(console, 'log', () => {});
  let now = 0;
  const lines = new ProgressLines('shop/a', () => now);
  const show = (at: number, sessions: number, requests: number, remaining: number | null) => {
    now = at;
    lines.show({ sessions, requests, remaining });
  };
  show(0, 5, 2, 90_000);
  show(500, 4, 2, 89_500);
  show(1000, 4, 2, 89_000);
  show(2500, 4, 2, 87_500);
  show(3000, 1, 0, 0);
  show(4000, 0, 1, 0);
  assert.deepEqual(
    print.mock.calls.map((call) => String(call.arguments[1])),
    [
      'shop/a: 5 sessions and 2 requests left; the rest is moved in 1m 30s',
      'shop/a: 4 sessions and 2 requests left; the rest is moved in 1m 29s',
      'shop/a: 1 session and 0 requests left; moving the sessions',
      'shop/a: 0 sessions and 1 request left',
    ],
  );
});

test('a countdown is rounded up', () => {
  assert.deepEqual([0, 1, 59_000, 60_000, 61_500, 3_600_000, 7_384_000].map(countdown), [
    '0s',
    '1s',
    '59s',
    '1m 00s',
    '1m 02s',
    '1h 00m 00s',
    '2h 03m 04s',
  ]);
});
