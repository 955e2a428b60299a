import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyHeader } from '../../src/backends/proxy-header.ts';

const four = { address: '192.0.2.7', port: 51234, localAddress: '198.51.100.1', localPort: 443 };
const six = { address: '2001:db8::7', port: 1, localAddress: '2001:db8::1', localPort: 65535 };
const bytes = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const SIGNATURE = '0d0a0d0a000d0a515549540a';

test('version 1 is one line of text', () => {
  assert.equal(proxyHeader('v1', four), 'PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n');
  assert.equal(proxyHeader('v1', six), 'PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n');
  assert.equal(proxyHeader('v1', null), 'PROXY UNKNOWN\r\n');
});

test('version 2 is binary, with lengths and ports in network order', () => {
  assert.equal(bytes(proxyHeader('v2', four)), `${SIGNATURE}2111000cc0000207c6336401c82201bb`);
  assert.equal(
    bytes(proxyHeader('v2', six)),
    `${SIGNATURE}2121002420010db800000000000000000000000720010db80000000000000000000000010001ffff`,
  );
});

test('version 2 says LOCAL for a connection of limpet itself, and an unspecified family for a client without an address', () => {
  assert.equal(bytes(proxyHeader('v2', null)), `${SIGNATURE}20000000`);
  const unix = { address: '', port: 0, localAddress: '', localPort: 0 };
  assert.equal(bytes(proxyHeader('v2', unix)), `${SIGNATURE}21000000`);
  assert.equal(proxyHeader('v1', unix), 'PROXY UNKNOWN\r\n');
});

test('addresses of two families are written as one, and mapped ones as IPv4', () => {
  const mixed = { ...four, localAddress: '2001:db8::1' };
  assert.equal(proxyHeader('v1', mixed), 'PROXY TCP6 ::ffff:c000:207 2001:db8::1 51234 443\r\n');
  const mapped = { ...four, localAddress: '::ffff:198.51.100.1' };
  assert.equal(proxyHeader('v1', mapped), proxyHeader('v1', four));
  const told = { address: '192.0.2.7', port: 0, localAddress: '', localPort: 0 };
  assert.equal(proxyHeader('v1', told), 'PROXY TCP4 192.0.2.7 0.0.0.0 0 0\r\n');
  const zone = { ...six, localAddress: 'fe80::1%eth0' };
  assert.equal(proxyHeader('v1', zone), 'PROXY TCP6 2001:db8::7 fe80::1 1 65535\r\n');
});
