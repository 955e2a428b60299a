import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { callLimpet } from './call-limpet.ts';
import { type Answer, type Seen, startFakeAdmin } from './fake-admin.ts';
import { runLimpet } from './run-limpet.ts';

const directory = mkdtempSync(join(tmpdir(), 'limpet-admin-'));
after(() => rmSync(directory, { recursive: true }));

const TOKEN = '0123456789abcdef0123456789abcdef';
writeFileSync(join(directory, 'token.txt'), `${TOKEN}\n`);

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** Half an hour off the full hour, so that it is told in the same words however slowly the test runs. */
const fromNow = (ms: number) => new Date(Date.now() + ms).toISOString();

const POOLS = {
  pools: [
    {
      name: 'shop',
      backends: [
        {
          id: 'a',
          url: 'http://10.0.0.1:80',
          state: 'ready',
          health: 'up',
          weight: 1,
          activeRequests: 12,
          sessions: 3400,
          requests: 99,
          failures: 0,
          latency: 1.234,
          lastChange: '1970-01-01T00:00:00.000Z',
          lastError: null,
          lastErrorAt: null,
        },
        {
          id: 'long-name',
          url: 'http://10.0.0.2:80',
          state: 'drain',
          health: 'down',
          weight: 20,
          activeRequests: 0,
          sessions: 1,
          requests: 7,
          failures: 5,
          latency: null,
          lastChange: fromNow(-(3 * DAY + 4.5 * HOUR)),
          lastError: 'BACKEND_CONNECT',
          lastErrorAt: fromNow(-(2 * HOUR + 30_000)),
        },
      ],
    },
  ],
};

function session(key: string) {
  const soon = fromNow(2 * DAY + 3.5 * HOUR);
  return {
    key,
    pool: 'shop',
    backend: 'a',
    created: '2026-01-01T00:00:00.000Z',
    lastSeen: fromNow(-(2 * DAY + 3.5 * HOUR)),
    idleExpiresAt: soon,
    endsAt: '2999-01-01T00:00:00.000Z',
    requests: 5,
    by: 'cookie',
    user: null,
    moves: 1,
  };
}

async function fake(context: TestContext, answer: (seen: Seen) => Answer, socketPath?: string) {
  const admin = await startFakeAdmin(answer, socketPath);
  context.after(admin.stop);
  return { ...admin, run: (...args: string[]) => callLimpet(context, [...args, '--admin', admin.url]) };
}

test('backends lists every backend in aligned columns', async (context) => {
  const { run, seen } = await fake(context, () => ({ json: POOLS }));
  for (const args of [['backends'], ['backends', 'list']]) {
    const { status, stdout, stderr } = await run(...args);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.deepEqual(stdout.split('\n'), [
      'BACKEND         STATE  HEALTH  WEIGHT  ACTIVE  SESSIONS  REQUESTS  FAILURES  LATENCY  CHANGED    LAST ERROR              URL',
      'shop/a          ready  up           1      12      3400        99         0    1.2ms  -          -                       http://10.0.0.1:80',
      'shop/long-name  drain  down        20       0         1         7         5        -  3d 4h ago  BACKEND_CONNECT 2h ago  http://10.0.0.2:80',
      '',
    ]);
  }
  assert.deepEqual(
    seen.map(({ line }) => line),
    ['GET /api/v1/pools', 'GET /api/v1/pools'],
  );
  assert.deepEqual(JSON.parse((await run('backends', '--json')).stdout), POOLS);
});

test('drain, ready and maintenance change the state of one backend', async (context) => {
  const { run, seen } = await fake(context, ({ body }) => ({ json: { id: 'a b', ...JSON.parse(body) } }));
  assert.equal(
    (await run('backends', 'drain', 'shop/a b')).stdout,
    'shop/a b drains: it gets no new sessions, those it has stay\n',
  );
  assert.match((await run('backends', 'maintenance', 'shop/a')).stdout, /is in maintenance/);
  assert.deepEqual(JSON.parse((await run('backends', 'ready', 'shop/a', '--json')).stdout), {
    id: 'a b',
    state: 'ready',
  });
  assert.deepEqual(
    seen.map(({ line, body }) => `${line} ${body}`),
    [
      'PATCH /api/v1/pools/shop/backends/a%20b {"state":"drain"}',
      'PATCH /api/v1/pools/shop/backends/a {"state":"maintenance"}',
      'PATCH /api/v1/pools/shop/backends/a {"state":"ready"}',
    ],
  );
});

test('M1, 114: restarted says that the process of one backend is another one now', async (context) => {
  const { run, seen } = await fake(context, () => ({ json: { id: 'a', life: 2 } }));
  assert.match((await run('backends', 'restarted', 'shop/a')).stdout, /^shop\/a begins another life/);
  assert.deepEqual(JSON.parse((await run('backends', 'restarted', 'shop/a', '--json')).stdout), { id: 'a', life: 2 });
  assert.deepEqual(new Set(seen.map(({ line }) => line)), new Set(['POST /api/v1/pools/shop/backends/a/restarted']));
});

test('U11: weight sets the weight of one backend, and says what it means', async (context) => {
  const { run, seen } = await fake(context, ({ body }) => ({ json: { id: 'a', ...JSON.parse(body) } }));
  assert.match((await run('backends', 'weight', 'shop/a', '5')).stdout, /^shop\/a has weight 5: /);
  assert.match((await run('backends', 'weight', 'shop/a', '0')).stdout, /gets no new sessions, those it has stay/);
  assert.deepEqual(JSON.parse((await run('backends', 'weight', 'shop/a', '7', '--json')).stdout), {
    id: 'a',
    weight: 7,
  });
  assert.deepEqual(
    seen.map(({ line, body }) => `${line} ${body}`),
    [5, 0, 7].map((weight) => `PATCH /api/v1/pools/shop/backends/a {"weight":${weight}}`),
  );
  for (const wrong of ['x', '1.5', '65536', '']) {
    const { status, stderr } = await run('backends', 'weight', 'shop/a', wrong);
    assert.equal(status, 2);
    assert.match(stderr, /^limpet: the weight must be a whole number from 0 to 65535/);
  }
});

test('U3, U6: long names are cut in the list of sessions, an empty list says so, and a part of it says of how many', async (context) => {
  const name = 'u'.repeat(300);
  let sessions = [{ ...session('k1'), user: name }];
  const { run } = await fake(context, ({ line }) => ({
    json: line.startsWith('GET /api/v1/status')
      ? { sessions: 10_000 }
      : { sessions, cursor: sessions.length > 0 ? '1' : null },
  }));
  const { stdout } = await run('sessions', '--limit', '1');
  const [head, row] = stdout.split('\n');
  assert.ok(row!.includes(` ${'u'.repeat(39)}…  `) && row!.length < head!.length + 60, row!);
  assert.match(stdout, /\n1 of 10000: --limit 10 shows them\n$/);
  assert.match((await run('sessions', 'list', '--user', name, '--limit', '1')).stdout, /\nand more: --limit 10 /);
  sessions = [];
  assert.equal((await run('sessions')).stdout, 'there are no sessions\n');
  assert.equal((await run('sessions', 'list', '--user', 'nobody')).stdout, 'no session is like that\n');
});

test('sessions list fetches page after page until the limit', async (context) => {
  const { run, seen } = await fake(context, ({ line }) => {
    const query = new URL(line.split(' ')[1] ?? '', 'http://x').searchParams;
    const from = Number(query.get('cursor') ?? 0);
    const to = Math.min(from + Math.min(Number(query.get('limit')), 2), 5);
    return {
      json: {
        sessions: Array.from({ length: to - from }, (_, i) => session(`k${from + i}`)),
        cursor: to < 5 ? String(to) : null,
      },
    };
  });
  const all = await run('sessions', 'list', '--pool', 'shop', '--backend', 'a');
  assert.deepEqual(all.stdout.split('\n').slice(0, 2), [
    'KEY  POOL  BACKEND  BY      USER  REQUESTS  MOVES  LAST SEEN  ENDS',
    'k0   shop  a        cookie  -            5      1  2d 3h ago  in 2d 3h',
  ]);
  assert.equal(all.stdout.split('\n').length, 7);
  assert.deepEqual(
    seen.map(({ line }) => line.split('?')[1]),
    ['pool=shop&backend=a&limit=100', 'pool=shop&backend=a&limit=98&cursor=2', 'pool=shop&backend=a&limit=96&cursor=4'],
  );
  const three = await run('sessions', '--limit', '3', '--user', 'me', '--json');
  const document = JSON.parse(three.stdout) as { sessions: { key: string }[]; cursor: string };
  assert.deepEqual([document.sessions.map(({ key }) => key), document.cursor], [['k0', 'k1', 'k2'], '3']);
  assert.match(seen.at(-1)!.line, /user=me&limit=1&cursor=2$/);
  assert.match((await run('sessions', '--limit', '2')).stdout, /and more: --limit 20 shows them\n$/);
});

test('one session can be shown, ended and moved', async (context) => {
  const { run, seen } = await fake(context, ({ line }) =>
    line.startsWith('DELETE') ? { status: 204 } : { json: { ...session('k/1'), user: 'a\u001b[31mb' } },
  );
  const shown = await run('sessions', 'show', 'k/1');
  assert.match(shown.stdout, /^key {12}k\/1\n/);
  assert.match(shown.stdout, /^user {11}a\\u\{1b\}\[31mb$/m);
  assert.equal((JSON.parse((await run('sessions', 'show', 'k/1', '--json')).stdout) as { key: string }).key, 'k/1');
  assert.equal((await run('sessions', 'end', 'k/1')).stdout, 'ended k/1: its next request begins a new session\n');
  assert.deepEqual(JSON.parse((await run('sessions', 'end', '12', '--json')).stdout), { key: '12', ended: true });
  assert.equal((await run('sessions', 'move', 'k/1', 'b')).stdout, 'moved k/1 to b\n');
  assert.deepEqual(
    seen.map(({ line, body }) => `${line} ${body}`.trim()),
    [
      'GET /api/v1/sessions/k%2F1',
      'GET /api/v1/sessions/k%2F1',
      'DELETE /api/v1/sessions/k%2F1',
      'DELETE /api/v1/sessions/12',
      'POST /api/v1/sessions/k%2F1/move {"backend":"b"}',
    ],
  );
});

test('address and token come from the configuration file, also over a unix socket', async (context) => {
  const path = join(directory, 'admin.sock');
  const { seen } = await fake(context, () => ({ json: POOLS }), path);
  // What else is in the file does not matter: the running limpet has read it long ago.
  writeFileSync(
    join(directory, 'limpet.yaml'),
    `pools: \${UNSET_HERE}\nadmin: { bind: "unix:${path}", tokenFile: token.txt }\n`,
  );
  const { status, stderr } = await runLimpet(['backends'], { cwd: directory });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.equal(seen[0]?.authorization, `Bearer ${TOKEN}`);
});

test('every failure is one line on standard error that says what to do, and status 1', async (context) => {
  const answers: Record<string, Answer> = {
    '/api/v1/sessions/problem': {
      status: 404,
      json: { title: 'Not Found', status: 404, detail: 'no such\nsession: limpet sessions lists them' },
    },
    '/api/v1/sessions/title': { status: 409, json: { title: 'Conflict' } },
    '/api/v1/sessions/plain': { status: 500, body: '<html>' },
    '/api/v1/sessions/html': { body: '<html>' },
    '/api/v1/sessions/token': { status: 401, json: { title: 'Unauthorized' } },
    '/api/v1/pools': { json: {} },
  };
  const { run, url } = await fake(context, ({ line }) => answers[line.split(' ')[1] ?? ''] ?? { json: {} });
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['sessions', 'show', 'problem'], /^limpet: no such\\u\{a\}session: limpet sessions lists them$/],
    [['sessions', 'show', 'title'], /^limpet: Conflict$/],
    [['sessions', 'show', 'plain'], new RegExp(`^limpet: limpet at ${url} answers with status 500: look at its log$`)],
    [['sessions', 'show', 'html'], /does not answer like limpet's admin API: name the right address with --admin$/],
    [['sessions', 'show', 'token'], /wants a token: name its file with --token-file/],
    [['sessions', 'show', 'token', '--token-file', join(directory, 'token.txt')], /refuses the token of .*token.txt/],
    [
      ['sessions', 'show', 'x', '--token-file', '/none.txt'],
      /^limpet: cannot read the token in \/none.txt: there is no such file/,
    ],
    [['backends'], /^limpet: the answer has no pools: is this limpet's admin API/],
    [['sessions'], /^limpet: the answer has no sessions/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await run(...args);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: '' }, stderr);
    assert.equal(stderr.split('\n').length, 2);
    assert.match(stderr.trimEnd(), message);
    assert.doesNotMatch(stderr, new RegExp(TOKEN));
  }
});

test('a limpet that is not running is told from one that is elsewhere', async (context) => {
  const { url, stop } = await fake(context, () => ({}));
  stop();
  const refused = await callLimpet(context, ['backends', '--admin', url]);
  assert.equal(refused.status, 1);
  assert.equal(
    refused.stderr,
    `limpet: cannot reach limpet at ${url} (ECONNREFUSED): start it with limpet start, or name its admin API with --admin\n`,
  );
  const socket = await callLimpet(context, ['backends', '--admin', `unix:${directory}/none.sock`]);
  assert.match(socket.stderr, /^limpet: cannot reach limpet at unix:.*none.sock \(ENOENT\): start it/);
  const missing = await callLimpet(context, ['backends', '-c', '/none.yaml']);
  assert.equal(missing.status, 2);
  assert.match(
    missing.stderr,
    /^\/none.yaml: there is no such file.*\nlimpet: --admin URL names the admin API without a configuration file\n$/,
  );
  writeFileSync(join(directory, 'off.yaml'), 'admin: { bind: null }\n');
  const off = await callLimpet(context, ['backends', '-c', join(directory, 'off.yaml')]);
  assert.equal(off.status, 2);
  assert.match(off.stderr, /admin.bind is null/);
});
