import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DnsResolver } from '../../src/backends/discovery/dns-resolver.ts';
import { lookUp } from '../../src/backends/discovery/look-up.ts';
import type { DnsDiscoveryConfig } from '../../src/config/schema.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';

let server: DnsServer;
before(async () => {
  server = await startDnsServer();
});
after(() => server.close());

const patience = () => AbortSignal.timeout(30_000);
const ask = (dns: Partial<DnsDiscoveryConfig> & { name: string }) =>
  lookUp(
    new DnsResolver([server.address]),
    { type: 'A', port: 8080, refresh: 10_000, servers: [server.address], ...dns },
    [],
    patience(),
  );
const member = (id: string, url: string, weight = 1, backup = false) => ({ id, url, weight, backup });

test('addresses are members by address and port, in any order and each once', async () => {
  server.set('shop.test', { A: ['10.0.0.2', '10.0.0.10', '10.0.0.2'], AAAA: ['FD00::12', '::1', 'fd00:0:0::12'] });
  const four = [member('10.0.0.10:8080', 'http://10.0.0.10:8080'), member('10.0.0.2:8080', 'http://10.0.0.2:8080')];
  assert.deepEqual(await ask({ name: 'shop.test' }), { records: four });
  assert.deepEqual(await ask({ name: 'shop.test', type: 'AAAA' }), {
    records: [
      member('0:0:0:0:0:0:0:1:8080', 'http://[::1]:8080'),
      member('fd00:0:0:0:0:0:0:12:8080', 'http://[fd00::12]:8080'),
    ],
  });
  server.set('shop.test', { A: ['10.0.0.10', '10.0.0.2'] });
  assert.deepEqual(await ask({ name: 'shop.test' }), { records: four });
});

test('an answer is not kept beyond the look-up, however long it may live', async () => {
  server.set('changing.test', { A: ['10.0.0.1'] });
  await ask({ name: 'changing.test' });
  server.set('changing.test', { A: ['10.0.0.2'] });
  assert.deepEqual(await ask({ name: 'changing.test' }), {
    records: [member('10.0.0.2:8080', 'http://10.0.0.2:8080')],
  });
});

test('SRV records are members by target and port, weighed, and backups above the lowest priority', async () => {
  server.set('_http._tcp.shop.test', {
    SRV: [
      { priority: 30, weight: 9, port: 81, target: 'b.shop.test' },
      { priority: 10, weight: 5, port: 81, target: 'B.shop.test' },
      { priority: 10, weight: 0, port: 80, target: 'a.shop.test' },
      { priority: 20, weight: 0, port: 80, target: 'c.shop.test' },
    ],
  });
  server.set('a.shop.test', { A: ['10.0.0.9', '10.0.0.1'], AAAA: ['fd00::1'] });
  server.set('b.shop.test', { A: ['10.0.0.2'] });
  server.set('c.shop.test', { AAAA: ['fd00::3'] });
  assert.deepEqual(await ask({ name: '_http._tcp.shop.test', type: 'SRV', port: null }), {
    records: [
      member('a.shop.test:80', 'http://10.0.0.1:80', 0),
      member('b.shop.test:81', 'http://10.0.0.2:81', 5),
      member('c.shop.test:80', 'http://[fd00::3]:80', 1, true),
    ],
  });
});

test('a name that is not there, one without records and a service that says no are absent; a server that fails is not', async () => {
  server.set('none.test', {});
  server.set('blocked.test', { A: ['0.0.0.0'] });
  server.set('broken.test', 'SERVFAIL');
  server.set('_no._tcp.test', { SRV: [{ priority: 0, weight: 0, port: 0, target: '.' }] });
  server.set('_lost._tcp.test', { SRV: [{ priority: 0, weight: 0, port: 80, target: 'lost.test' }] });
  assert.deepEqual(await ask({ name: 'never.test' }), { error: 'ENOTFOUND', absent: true });
  assert.deepEqual(await ask({ name: 'none.test' }), { error: 'ENODATA', absent: true });
  assert.deepEqual(await ask({ name: 'blocked.test' }), { error: 'only addresses that are no server', absent: true });
  assert.deepEqual(await ask({ name: 'broken.test' }), { error: 'ESERVFAIL', absent: false });
  const no = await ask({ name: '_no._tcp.test', type: 'SRV', port: null });
  assert.ok('error' in no && no.error.includes('the service is not there'));
  assert.deepEqual(await ask({ name: '_lost._tcp.test', type: 'SRV', port: null }), {
    error: 'lost.test has no address (ENOTFOUND)',
    absent: true,
  });
});

test('a server that is silent ends the look-up by itself, and at once when nobody waits for it any more', async () => {
  server.set('silent.test', 'silence');
  assert.deepEqual(await ask({ name: 'silent.test' }), { error: 'ETIMEOUT', absent: false });
  const stop = new AbortController();
  const asked = server.questions.length;
  const given = new DnsResolver([server.address]).addresses('silent.test', 4, stop.signal);
  while (server.questions.length === asked) await new Promise(setImmediate);
  stop.abort();
  assert.deepEqual(await given, { error: 'ECANCELLED', absent: false });
  const late = await new DnsResolver([server.address]).services('silent.test', stop.signal);
  assert.deepEqual(late, { error: 'ECANCELLED', absent: false });
});

test('without servers of its own a name of the hosts file is found; with them, only they are asked', async () => {
  assert.deepEqual(await new DnsResolver([]).addresses('localhost', 4, patience()), { records: ['127.0.0.1'] });
  assert.deepEqual(await ask({ name: 'localhost' }), { error: 'ENOTFOUND', absent: true });
});

test('many targets are looked up without a warning of the runtime', async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const SRV = Array.from({ length: 20 }, (_, i) => ({ priority: 0, weight: 1, port: 80, target: `t${i}.many.test` }));
  server.set('_many._tcp.test', { SRV });
  for (const [index, { target }] of SRV.entries()) server.set(target, { A: [`10.1.0.${index + 1}`] });
  const found = await ask({ name: '_many._tcp.test', type: 'SRV', port: null });
  assert.ok('records' in found);
  assert.equal(found.records.length, SRV.length);
  assert.deepEqual(warnings, []);
});
