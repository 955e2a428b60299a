import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCrossOrigin, isLocalHost } from '../../src/admin/browser-guard.ts';
import { StartError } from '../../src/errors-start.ts';
import { BearerToken } from '../../src/keys/bearer-token.ts';
import { call } from './call.ts';
import { folder, startAdmin } from './start-admin.ts';

const TOKEN = 'a3f5c2d1e4b6a798a3f5c2d1e4b6a798';

test('with a token everything but the probes and the files of the dashboard needs it', async (t) => {
  const { address, control } = await startAdmin(t, { token: `${TOKEN}\n` });
  for (const path of ['/healthz', '/readyz', '/', '/dashboard/main.js'])
    assert.equal((await call(address, 'GET', path)).status, 200);
  const bearer = (value: string) => ({ headers: { Authorization: value } });
  for (const path of [
    '/metrics',
    '/api/v1/status',
    '/api/v1/pools',
    '/api/v1/sessions',
    '/api/v1/events',
    '/nothing',
    '/%zz',
  ]) {
    const without = await call(address, 'GET', path);
    assert.equal(without.status, 401, path);
    assert.equal(without.headers['www-authenticate'], 'Bearer realm="limpet"');
  }
  for (const value of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer', `Basic ${TOKEN}`, TOKEN, 'Bearer é']) {
    const wrong = await call(address, 'GET', '/metrics', bearer(value));
    assert.equal(wrong.status, 401, value);
    assert.match(wrong.headers['www-authenticate']!, /invalid_token/);
  }
  assert.equal((await call(address, 'DELETE', '/api/v1/sessions/x')).status, 401);
  assert.deepEqual(control.calls, []);
  assert.equal((await call(address, 'GET', '/metrics', bearer(`Bearer ${TOKEN}`))).status, 200);
  assert.equal((await call(address, 'GET', '/metrics', bearer(`bearer  ${TOKEN} `))).status, 200);
});

test('with a token any Host will do; without one only an address or localhost (DNS rebinding)', async (t) => {
  const host = (name: string) => ({ headers: { Host: name, Authorization: `Bearer ${TOKEN}` } });
  const guarded = await startAdmin(t, { token: TOKEN });
  assert.equal((await call(guarded.address, 'GET', '/metrics', host('limpet.internal:9900'))).status, 200);
  const { address, control } = await startAdmin(t);
  for (const name of ['evil.example', 'evil.example:9900', 'localhost.evil.example', '127.0.0.1.evil.example']) {
    assert.equal((await call(address, 'GET', '/metrics', host(name))).status, 421, name);
    assert.equal((await call(address, 'DELETE', '/api/v1/sessions/x', host(name))).status, 421, name);
    assert.equal((await call(address, 'GET', '/healthz', host(name))).status, 200, name);
  }
  assert.deepEqual(control.calls, []);
  for (const name of ['localhost', 'LOCALHOST:1', '127.0.0.1:9900', '[::1]:9900', '10.0.0.1']) {
    assert.equal((await call(address, 'GET', '/metrics', host(name))).status, 200, name);
  }
});

test('a Host is local when it is an IP literal or localhost', () => {
  for (const host of ['localhost', 'localhost:80', '127.0.0.1', '192.0.2.1:8', '[::1]', '[2001:db8::1]:9900']) {
    assert.equal(isLocalHost(host), true, host);
  }
  for (const host of [
    undefined,
    '',
    ':80',
    '::1',
    '[localhost]',
    '[127.0.0.1]',
    'a.localhost',
    'localhost.',
    '0x7f.1',
    '127.1',
  ]) {
    assert.equal(isLocalHost(host), false, String(host));
  }
});

test('a page of another origin cannot change anything', async (t) => {
  const { address, control } = await startAdmin(t);
  const own = address.replace('http://', '');
  const end = (headers: Record<string, string>) => call(address, 'DELETE', '/api/v1/sessions/x', { headers });
  for (const headers of [
    { Origin: 'http://evil.example' },
    { Origin: 'null' },
    { Origin: `http://${own}.evil.example` },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Origin: `http://${own}`, 'Sec-Fetch-Site': 'cross-site' },
  ]) {
    assert.equal((await end(headers)).status, 403, JSON.stringify(headers));
  }
  assert.deepEqual(control.calls, []);
  for (const headers of [
    {},
    { Origin: `http://${own}` },
    { 'Sec-Fetch-Site': 'same-origin' },
    { 'Sec-Fetch-Site': 'none' },
  ]) {
    assert.equal((await end(headers)).status, 204, JSON.stringify(headers));
  }
  assert.equal(isCrossOrigin('GET', { origin: 'http://evil.example' }), false);
});

test('a token file that is missing, empty, short or of several words is refused in one line', (t) => {
  const path = join(folder(t), 'token');
  const refused = (pattern: RegExp) =>
    assert.throws(
      () => BearerToken.fromFile(path),
      (error) => error instanceof StartError && pattern.test(error.message) && !error.message.includes('\n'),
    );
  refused(/cannot read .*token/);
  for (const text of ['', '\n', 'short', `${TOKEN} ${TOKEN}`, `${TOKEN}\n${TOKEN}`, `${TOKEN}"`]) {
    writeFileSync(path, text);
    refused(/at least 16 characters/);
  }
  writeFileSync(path, `  ${TOKEN}=\r\n`);
  assert.equal(BearerToken.fromFile(path).matches(`Bearer ${TOKEN}=`), true);
});
