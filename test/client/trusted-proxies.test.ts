import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseAddress, TrustedProxies } from '../../src/client/trusted-proxies.ts';

test('an address in one of the networks is trusted, in either family', () => {
  const trusted = new TrustedProxies(['10.0.0.0/8', '192.0.2.128/25', 'fd00::/8', '2001:db8::1/128']);
  for (const address of ['10.255.0.1', '192.0.2.128', '192.0.2.255', 'fdff::1', '2001:db8::1'])
    assert.equal(trusted.has(address), true, address);
  for (const address of [
    '11.0.0.1',
    '192.0.2.127',
    'fe00::1',
    '2001:db8::2',
    '',
    'unknown',
    '10.1',
    '10.0.0.1:80',
    '[fd00::1]',
  ])
    assert.equal(trusted.has(address), false, address);
  assert.equal(trusted.has('10.255.0.1'), true);
});

test('IPv4-mapped addresses are the IPv4 addresses they hold, in networks too', () => {
  const trusted = new TrustedProxies(['10.0.0.0/8', '::ffff:192.0.2.0/120']);
  assert.equal(trusted.has(trusted.normalise('::ffff:10.1.2.3')), true);
  assert.equal(trusted.has('192.0.2.9'), true);
  assert.equal(trusted.has('192.0.3.9'), false);
});

test('a network of everything does not mix the families', () => {
  assert.equal(new TrustedProxies(['0.0.0.0/0']).has('203.0.113.5'), true);
  assert.equal(new TrustedProxies(['0.0.0.0/0']).has('2001:db8::1'), false);
  assert.equal(new TrustedProxies(['::/0']).has('2001:db8::1'), true);
  assert.equal(new TrustedProxies(['::/0']).has('203.0.113.5'), false);
});

test('nobody is trusted when there are no networks', () => {
  assert.equal(new TrustedProxies([]).has('127.0.0.1'), false);
});

test('what is no CIDR is refused', () => {
  assert.throws(() => new TrustedProxies(['10.0.0.0']), {
    name: 'StartError',
    message: /^trustedProxies: 10\.0\.0\.0 is not a CIDR/,
  });
});

test('an address has one spelling', () => {
  for (const [text, spelling] of [
    ['203.0.113.5', '203.0.113.5'],
    ['::FFFF:203.0.113.5', '203.0.113.5'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['203.0.113.05', null],
    ['203.0.113.5 ', null],
    ['', null],
    ['localhost', null],
  ] as const)
    assert.equal(normaliseAddress(text), spelling, text);
  assert.equal(new TrustedProxies([]).normalise('/run/limpet.sock'), '/run/limpet.sock');
});
