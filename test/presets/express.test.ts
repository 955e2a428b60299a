import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { startApps } from '../support/app-process.ts';
import { ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { often } from '../support/long.ts';
import { startPreset } from '../support/preset.ts';
import { countWithClients } from './counting-clients.ts';

const CLIENTS = often(40, 100);
const SCRIPT = new URL('./express-server.ts', import.meta.url);

test(`express-session with its memory store: ${CLIENTS} clients log in, count and log out on three servers (17)`, async (t) => {
  const servers = await startApps(SCRIPT, 'node1', 'node2', 'node3');
  t.after(() => Promise.all(servers.map((server) => server.kill())));
  const limpet = await startPreset('express', servers);
  t.after(limpet.stop);

  const homes = await countWithClients(limpet.url, { logIn: '/login', count: '/count', logOut: '/logout' }, CLIENTS, 6);
  for (const { id } of servers) {
    const share = homes.filter((home) => home === id).length;
    assert.ok(share > homes.length / 10, `${id} has ${share} of ${homes.length}`);
  }

  // A server dies: its users are asked to log in again, once, and never see an error of limpet's.
  const jar = new CookieJar();
  const post = async (path: string) => {
    const headers = { ...jar.headers, 'content-type': 'application/json' };
    const answer = jar.take(await ask(limpet.url + path, { method: 'POST', headers, body: '{"user":"last"}' }));
    return { status: answer.status, ...(JSON.parse(answer.body) as { id: string; count?: number }) };
  };
  const { id: home } = await post('/login');
  assert.equal((await post('/count')).count, 1);
  await servers.find(({ id }) => id === home)!.kill();
  const lost = await post('/count');
  assert.equal(lost.status, 401);
  assert.notEqual(lost.id, home);
  const { id: next } = await post('/login');
  for (let count = 1; count <= 5; count++)
    assert.deepEqual(await post('/count'), { status: 200, id: next, user: 'last', count });

  assert.equal(await new Admin(limpet.admin).metric('limpet_errors_total'), 0);
  assert.equal(limpet.stderr(), '');
});
