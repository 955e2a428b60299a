import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { often } from '../support/long.ts';
import { findPhp, PHP_MISSING } from '../support/php-binary.ts';
import { startPreset } from '../support/preset.ts';
import { countWithClients } from './counting-clients.ts';
import { PhpServer } from './php-server.ts';

const CLIENTS = often(40, 100);
const php = findPhp();

test(`PHP with sessions in files of each server: ${CLIENTS} clients log in, count and log out on three servers (17)`, {
  skip: php === null && PHP_MISSING,
}, async (t) => {
  const servers = await Promise.all(['web1', 'web2', 'web3'].map((id) => PhpServer.start(php!, id)));
  t.after(() => Promise.all(servers.map((server) => server.kill())));
  const limpet = await startPreset('php', servers);
  t.after(limpet.stop);

  const homes = await countWithClients(limpet.url, { logIn: '/login', count: '/count', logOut: '/logout' }, CLIENTS, 6);
  for (const { id } of servers) {
    const share = homes.filter((home) => home === id).length;
    assert.ok(share > homes.length / 10, `${id} has ${share} of ${homes.length}`);
  }
  const admin = new Admin(limpet.admin);
  assert.equal((await admin.sessions('php')).length, 0, 'a cookie that the application deletes ends its session');
  assert.equal(await admin.metric('limpet_errors_total'), 0);
  assert.equal(limpet.stderr(), '');
});
