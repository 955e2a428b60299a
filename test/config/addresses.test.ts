import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBackendUrl } from '../../src/config/backend-url.ts';
import { isLocalBind, parseBind } from '../../src/config/bind.ts';
import { parseCidr } from '../../src/config/cidr.ts';

test('a bind is host:port, [address]:port or unix:/path', () => {
  assert.deepEqual(parseBind('0.0.0.0:8080'), { kind: 'tcp', host: '0.0.0.0', port: 8080 });
  assert.deepEqual(parseBind('[::]:0'), { kind: 'tcp', host: '::', port: 0 });
  assert.deepEqual(parseBind('LocalHost:1'), { kind: 'tcp', host: 'localhost', port: 1 });
  assert.deepEqual(parseBind('unix:/run/limpet.sock'), { kind: 'unix', path: '/run/limpet.sock' });
  const long = `unix:/${'x'.repeat(107)}`;
  for (const text of [
    '',
    'x',
    ':1',
    '*:1',
    '8080',
    '::1:80',
    '1.2.3.4',
    '1.2.3:4',
    '[x]:1',
    'a:99999',
    'unix:',
    'unix:x',
    'unix:/',
    long,
  ]) {
    assert.ok('error' in parseBind(text), text);
  }
});

test('loopback addresses and unix sockets are local', () => {
  const local = (text: string) => {
    const bind = parseBind(text);
    assert.ok(!('error' in bind));
    return isLocalBind(bind);
  };
  for (const text of ['127.0.0.1:1', '127.8.8.8:1', '[::1]:1', 'localhost:1', 'unix:/x']) assert.ok(local(text), text);
  for (const text of ['0.0.0.0:1', '[::]:1', '10.0.0.1:1', '127.example:1', 'example:1']) assert.ok(!local(text), text);
});

test('a backend is http://host:port, and nothing after it', () => {
  const urlOf = (text: string) => {
    const parsed = parseBackendUrl(text);
    return 'error' in parsed ? parsed.error : parsed.url;
  };
  assert.deepEqual(parseBackendUrl('http://[2001:DB8::1]:9'), {
    kind: 'tcp',
    secure: false,
    host: '2001:db8::1',
    port: 9,
    authority: '[2001:db8::1]:9',
    url: 'http://[2001:db8::1]:9',
  });
  assert.equal(urlOf('http://a.example:81'), 'http://a.example:81');
  assert.equal(urlOf('HTTP://A/'), 'http://a:80');
  assert.equal(urlOf('https://A'), 'https://a:443');
  assert.equal(urlOf('HTTPS://[::1]:8443/'), 'https://[::1]:8443');
  const password = parseBackendUrl('http://u:hunter2@a:1');
  assert.ok('error' in password && !password.error.includes('hunter2'));
});

test('a backend on a unix socket is written as in bind, as a URL or as in nginx', () => {
  for (const text of [
    'unix:/run/a.sock',
    'unix:///run/a.sock',
    'http://unix:/run/a.sock',
    'http://unix:/run/a.sock:',
  ]) {
    assert.deepEqual(parseBackendUrl(text), { kind: 'unix', path: '/run/a.sock', url: 'unix:/run/a.sock' }, text);
  }
  for (const text of [
    'unix:run/a.sock',
    'unix:/',
    'unix:/run/',
    `unix:/${'x'.repeat(107)}`,
    'https://unix:/run/a.sock',
  ]) {
    assert.ok('error' in parseBackendUrl(text), text);
  }
});

test('a CIDR is brought to its network, and forms that others read as another address are refused', () => {
  assert.deepEqual(parseCidr('10.1.2.3/8'), { cidr: '10.0.0.0/8' });
  assert.deepEqual(parseCidr('2001:db8::1'), { cidr: '2001:db8::1/128' });
  for (const text of [
    '10/8',
    '010.0.0.1',
    '0x7f.1',
    '1.2.3.4/',
    '1.2.3.4/ 8',
    '::/129',
    '1.2.3.4/33',
    'fe80::1%eth0',
  ]) {
    assert.ok('error' in parseCidr(text), text);
  }
});
