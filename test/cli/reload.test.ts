import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { callLimpet } from './call-limpet.ts';
import { type Answer, type Seen, startFakeAdmin } from './fake-admin.ts';

const directory = mkdtempSync(join(tmpdir(), 'limpet-reload-'));
after(() => rmSync(directory, { recursive: true }));

async function fake(context: TestContext, answer: (seen: Seen) => Answer) {
  const admin = await startFakeAdmin(answer);
  context.after(admin.stop);
  return { ...admin, run: (...args: string[]) => callLimpet(context, [...args, '--admin', admin.url]) };
}

const MISTAKES = [
  { file: '/etc/limpet.yaml', line: 3, column: 7, path: 'pools.shop.balnce', message: 'unknown key' },
  { file: '/etc/limpet.yaml', line: 0, column: 0, path: '', message: 'is\nnot usable' },
];

test('reload prints what changed', async (context) => {
  const changes = [
    { path: 'pools.shop.backends.a', change: 'removed' },
    { path: 'pools.shop.timeouts', change: 'changed' },
  ];
  const document = { generation: 3, changes, warnings: ['limpet.yaml:1:1: strange\u001b[0m'] };
  const { run, seen } = await fake(context, () => ({ json: document }));
  const { status, stdout, stderr } = await run('reload');
  assert.equal(status, 0);
  assert.deepEqual(stdout.split('\n'), [
    'CHANGE   KEY',
    'removed  pools.shop.backends.a',
    'changed  pools.shop.timeouts',
    'reloaded: configuration 3 runs now',
    '',
  ]);
  assert.equal(stderr, 'warning: limpet.yaml:1:1: strange\\u{1b}[0m\n');
  assert.deepEqual(
    seen.map(({ line, body }) => `${line} ${body}`),
    ['POST /api/v1/reload {}'],
  );
  assert.deepEqual(JSON.parse((await run('reload', '--json')).stdout), document);
});

test('a reload of a file that says the same says so', async (context) => {
  const { run } = await fake(context, () => ({ json: { generation: 2, changes: [], warnings: [] } }));
  assert.deepEqual(await run('reload'), { status: 0, stdout: 'nothing changed\n', stderr: '' });
});

test('a file that is refused: every mistake with its place, and status 2', async (context) => {
  const { run } = await fake(context, () => ({ status: 422, json: { detail: 'not usable', errors: MISTAKES } }));
  assert.deepEqual(await run('reload'), {
    status: 2,
    stdout: '',
    stderr: '/etc/limpet.yaml:3:7: pools.shop.balnce: unknown key\n/etc/limpet.yaml: is not usable\n',
  });
});

test('simulate --drain prints where the sessions would go', async (context) => {
  const moves = [
    { pool: 'shop', from: 'a', to: 'b', reason: 'drain', when: 'when-it-goes', sessions: 12 },
    { pool: 'shop', from: 'a', to: null, reason: 'drain', when: 'when-it-goes', sessions: 1 },
  ];
  const document = { total: 13, moves, sessions: [] };
  const { run, seen } = await fake(context, () => ({ json: document }));
  const { status, stdout, stderr } = await run('simulate', '--drain', 'shop/a');
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  assert.deepEqual(stdout.split('\n'), [
    'POOL  FROM  TO             SESSIONS  REASON  WHEN',
    'shop  a     b                    12  drain   when the backend goes away',
    'shop  a     nowhere (503)         1  drain   when the backend goes away',
    '13 sessions would move or be lost',
    '',
  ]);
  assert.equal(`${seen[0]!.line} ${seen[0]!.body}`, 'POST /api/v1/simulate {"drain":"shop/a"}');
  assert.deepEqual(JSON.parse((await run('simulate', '--drain', 'shop/a', '--json')).stdout), document);
});

test('simulate --config sends the file, and -c names the one that runs', async (context) => {
  const other = join(directory, 'new.yaml');
  writeFileSync(other, 'pools: { shöp: 1 }\n');
  const changes = [{ path: 'pools.shop', change: 'removed' }];
  const { seen, url } = await fake(context, () => ({ json: { total: 0, moves: [], sessions: [], changes } }));
  const running = join(directory, 'limpet.yaml');
  writeFileSync(running, `admin: { bind: "${new URL(url).host}" }\n`);
  for (const args of [
    ['-c', running, '--config', other],
    [`--config=${other}`, `-c${running}`],
    ['--config', other, '-c', running],
  ]) {
    const { status, stdout, stderr } = await callLimpet(context, ['simulate', ...args]);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.deepEqual(stdout.split('\n'), ['CHANGE   KEY', 'removed  pools.shop', '', 'no session would move', '']);
  }
  assert.deepEqual(
    seen.map(({ body }) => JSON.parse(body)),
    Array(3).fill({ config: 'pools: { shöp: 1 }\n' }),
  );
  // Without -c, and with no limpet.yaml here, the file itself says where the admin API is.
  writeFileSync(other, `admin: { bind: "${new URL(url).host}" }\n`);
  assert.equal((await callLimpet(context, ['simulate', '--config', other])).status, 0);
});

test('the mistakes of a simulated file are told under its own name', async (context) => {
  const { run } = await fake(context, () => ({ status: 422, json: { detail: 'not usable', errors: MISTAKES } }));
  const other = join(directory, 'bad.yaml');
  writeFileSync(other, 'x');
  const { status, stderr } = await run('simulate', '--config', other);
  assert.equal(status, 2);
  assert.equal(stderr, `${other}:3:7: pools.shop.balnce: unknown key\n${other}: is not usable\n`);
});

test('a configuration that changes nothing moves nothing', async (context) => {
  const { run } = await fake(context, () => ({ json: { total: 0, moves: [], sessions: [], changes: [] } }));
  const other = join(directory, 'same.yaml');
  writeFileSync(other, 'x');
  const { stdout } = await run('simulate', '--config', other);
  assert.equal(stdout, 'the configuration would not change\n\nno session would move\n');
});
