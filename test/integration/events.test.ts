import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { ConfigFile } from '../support/config-file.ts';
import { EventReader, type HeardEvent } from '../support/event-reader.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

const PRELOAD = new URL('../support/crash-on-signal.ts', import.meta.url).href;
const SESSIONS = 60;

test('the events tell of health, failover in bulk, ends and moves by hand, admin changes, reloads, workers and the stop (33, 34, 39, 69)', async (t) => {
  const a = await new HttpBackend('a').start();
  const b = await new HttpBackend('b').start();
  t.after(() => Promise.all([a.stop(), b.stop()]));
  const limpet = await startLimpetProcess(
    `workers: 2
pools:
  shop:
    backends:
      - { id: a, url: "${a.url}", replicas: [b] }
      - { id: b, url: "${b.url}", replicas: [a] }
    health: { active: { path: /healthz, interval: 1s, timeout: 1s, rise: 1, fall: 3 } }
`,
    { env: { NODE_OPTIONS: `--import=${PRELOAD}` } },
  );
  t.after(() => limpet.stop());
  const admin = new Admin(limpet.admin);
  const reader = await EventReader.open(`${limpet.admin}/api/v1/events`);
  t.after(() => reader.close());

  // A backend dies, and its sessions move with their next requests.
  const cookies = await Promise.all(Array.from({ length: SESSIONS }, async () => (await ask(`${limpet.url}/`)).cookie));
  const onA = (await admin.sessions('shop')).filter(({ backend }) => backend === 'a').length;
  assert.ok(onA > 5, `${onA} sessions on a`);
  await a.stop();
  const down = await reader.heard(
    ({ event, data }) => event === 'health' && data.backend === 'a' && data.to === 'down',
  );
  for (const answer of await Promise.all(cookies.map((cookie) => ask(`${limpet.url}/`, { headers: { cookie } }))))
    assert.equal(answer.backend, 'b');
  const moved = () => reader.events.filter(({ event }) => event === 'failover');
  const count = () => moved().reduce((sum, { data }) => sum + Number(data.count), 0);
  await eventually('all moves are told', () => count() >= onA, 30_000);
  assert.equal(count(), onA);
  assert.ok(moved().length < onA, `${moved().length} events for ${onA} moves`);
  for (const { data } of moved()) {
    assert.deepEqual([data.pool, data.from, data.to, data.reason], ['shop', 'a', 'b', 'backend-down']);
    assert.ok(Date.parse(String(data.time)) > 0);
  }
  await a.start();
  // Not the first one, of the start.
  const isUp = ({ event, data }: HeardEvent) => event === 'health' && data.backend === 'a' && data.to === 'up';
  await reader.heard((heard) => isUp(heard) && reader.events.indexOf(heard) > reader.events.indexOf(down));

  // By hand.
  const [first, second] = await admin.sessions('shop');
  await admin.moveSession(first!.key, 'a');
  const move = await reader.heard(({ event }) => event === 'session-moved');
  assert.deepEqual([move.data.key, move.data.from, move.data.to], [first!.key, 'b', 'a']);
  await admin.endSession(second!.key);
  const end = await reader.heard(({ event }) => event === 'session-ended');
  assert.deepEqual([end.data.key, end.data.count, end.data.reason], [second!.key, 1, 'operator']);
  await admin.patch('shop', 'b', { state: 'drain' });
  const change = await reader.heard(({ event }) => event === 'backend-changed');
  assert.deepEqual(
    [change.data.backend, change.data.before, change.data.after],
    ['b', { state: 'ready', weight: 1 }, { state: 'drain', weight: 1 }],
  );

  // Who was away meanwhile hears it all the same.
  const last = reader.events.at(-1)!;
  reader.close();
  const file = new ConfigFile(limpet);
  file.replace('replicas: [a]', 'replicas: [a], weight: 2');
  await file.reload('signal');
  const again = await EventReader.open(`${limpet.admin}/api/v1/events`, { 'Last-Event-ID': last.id });
  t.after(() => again.close());
  const reload = await again.heard(({ event }) => event === 'reload');
  assert.deepEqual([reload.data.ok, reload.data.changed], [true, 1]);
  assert.ok(again.events.every(({ id }) => id !== last.id && id !== ''));

  limpet.process.kill('SIGUSR2');
  const restart = await again.heard(({ event }) => event === 'worker-restart');
  assert.equal(restart.data.count, 1);

  // Nothing secret is in what was told.
  const told = reader.text + again.text;
  for (const cookie of cookies) assert.ok(!told.includes(cookie.split('=')[1]!));

  limpet.process.kill('SIGTERM');
  await eventually('the end of the stream', () => again.ended, 30_000);
  assert.equal(again.ended, 'whole');
  assert.equal(again.events.at(-1)?.event, 'state');
  assert.equal(again.events.at(-1)?.data.state, 'stopping');
});
