import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SimulationView } from '../../src/admin/control-plane.ts';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const SESSIONS = 90;

async function start(t: TestContext) {
  const backends = await Promise.all(['a', 'b', 'c', 'd'].map((id) => new HttpBackend(id).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const urls = backends.map(({ url }) => url);
  const pools = (stateOfA: string) => `pools:
  shop:
    balance: round-robin
    backends:
      - { id: a, url: "${urls[0]}", replicas: [b, c], state: ${stateOfA} }
      - { id: b, url: "${urls[1]}" }
      - { id: c, url: "${urls[2]}" }
      - { id: d, url: "${urls[3]}" }
`;
  const limpet = await startLimpetProcess(`${pools('ready')}workers: 2\n`);
  t.after(limpet.stop);
  const cookies: string[] = [];
  for (let i = 0; i < SESSIONS; i++) cookies.push((await ask(limpet.url)).cookie);
  return { limpet, backends, pools, cookies };
}

async function simulate(limpet: LimpetProcess, ...args: string[]): Promise<SimulationView> {
  const { status, stdout, stderr } = await runLimpet(['simulate', ...args, '--json', '--admin', limpet.admin]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  return JSON.parse(stdout) as SimulationView;
}

/** Where each session is, by its public id. */
async function places(limpet: LimpetProcess): Promise<Map<string, string | null>> {
  const sessions = await new Admin(limpet.admin).sessions('shop');
  return new Map(sessions.map(({ key, backend }) => [key, backend]));
}

test('simulate --drain: each session goes where it was said to go when its backend dies (33)', async (t) => {
  const { limpet, backends, cookies } = await start(t);
  const before = await places(limpet);
  const plan = await simulate(limpet, '--drain', 'shop/a');
  const onA = [...before].filter(([, backend]) => backend === 'a').map(([key]) => key);
  assert.equal(plan.total, onA.length);
  assert.deepEqual(plan.sessions.map(({ key }) => key).sort(), onA.sort());
  assert.deepEqual(await places(limpet), before, 'nothing has happened');

  await backends[0]!.stop();
  for (const cookie of cookies) assert.equal((await ask(limpet.url, { headers: { cookie } })).status, 200);
  const after = await places(limpet);
  for (const { key, to } of plan.sessions) assert.equal(after.get(key), to);
  for (const [key, backend] of before) if (backend !== 'a') assert.equal(after.get(key), backend);
});

test('simulate --config says what a reload does then', async (t) => {
  const { limpet, pools, cookies } = await start(t);
  const args = limpet.process.spawnargs;
  const running = args[args.indexOf('-c') + 1]!;
  const directory = mkdtempSync(join(tmpdir(), 'limpet-simulate-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const other = join(directory, 'new.yaml');
  const head = 'listeners: [{ bind: "127.0.0.1:0" }]\nadmin: { bind: "127.0.0.1:0" }\nworkers: 2\n';
  writeFileSync(other, head + pools('maintenance'));
  const plan = await simulate(limpet, '--config', other);
  assert.ok(plan.total > 0);
  for (const { from, reason, when } of plan.moves) {
    assert.deepEqual([from, reason, when], ['a', 'maintenance', 'now']);
  }
  assert.deepEqual(plan.changes, [{ path: 'pools.shop.backends.a', change: 'changed' }]);

  writeFileSync(running, head + pools('maintenance'));
  const { status, stdout } = await runLimpet(['reload', '--admin', limpet.admin]);
  assert.equal(status, 0);
  assert.match(stdout, /^CHANGE +KEY\nchanged +pools.shop.backends.a\nreloaded: configuration 2 runs now\n$/);
  for (const cookie of cookies) assert.equal((await ask(limpet.url, { headers: { cookie } })).status, 200);
  const after = await places(limpet);
  for (const { key, to } of plan.sessions) assert.equal(after.get(key), to);
});

test('simulate --config without a backend: its sessions stay until it goes, also after the reload (44)', async (t) => {
  const { limpet, pools, cookies } = await start(t);
  const args = limpet.process.spawnargs;
  const running = args[args.indexOf('-c') + 1]!;
  const head = 'listeners: [{ bind: "127.0.0.1:0" }]\nadmin: { bind: "127.0.0.1:0" }\nworkers: 2\n';
  writeFileSync(running, head + pools('ready').replace(/^.*id: a.*\n/m, ''));
  const plan = await simulate(limpet, '--config', running);
  assert.deepEqual(
    [...new Set(plan.moves.map(({ from, reason, when }) => `${from} ${reason} ${when}`))],
    ['a removed when-it-goes'],
  );
  const before = await places(limpet);
  assert.equal((await runLimpet(['reload', '--admin', limpet.admin])).status, 0);
  for (const cookie of cookies) assert.equal((await ask(limpet.url, { headers: { cookie } })).status, 200);
  assert.deepEqual(await places(limpet), before);
  const listed = await runLimpet(['backends', '--admin', limpet.admin]);
  assert.match(listed.stdout, /^shop\/a +departing /m);
  // The rest moves when the operator says so, and then it is gone.
  const drained = await runLimpet([
    'backends',
    'drain',
    'shop/a',
    '--wait',
    '--deadline',
    '0s',
    '--admin',
    limpet.admin,
  ]);
  assert.equal(drained.status, 0, drained.stderr);
  assert.match(drained.stdout, /shop\/a has drained.*; \d+ sessions moved to other backends at the deadline\n$/);
  const after = await places(limpet);
  for (const { key, to } of plan.sessions) assert.equal(after.get(key), to);
});
