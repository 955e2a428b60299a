import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Find, FoundKey } from '../../src/affinity/strategy.ts';
import { requestOf, strategyOf } from './pool-fixture.ts';

const head = requestOf([]);

function keyOf(client: string, config: object = {}): string | number {
  const found = new FoundKey();
  const result = strategyOf({ by: 'ip', ...config }).find(head, client, 0, found);
  return result === Find.found ? [found.key.a, found.key.b, found.key.c, found.key.d].join() : result;
}

test('an IPv4 address counts whole, an IPv6 address with 64 bits, unless told otherwise (behaviour 16)', () => {
  assert.notEqual(keyOf('192.0.2.1'), keyOf('192.0.2.2'));
  assert.equal(keyOf('2001:db8:0:1::1'), keyOf('2001:db8:0:1:ffff:ffff:ffff:ffff'));
  assert.notEqual(keyOf('2001:db8:0:1::1'), keyOf('2001:db8:0:2::1'));
});

test('prefixes need not end at a byte', () => {
  const config = { prefix4: 20, prefix6: 58 };
  assert.equal(keyOf('10.0.16.1', config), keyOf('10.0.31.255', config));
  assert.notEqual(keyOf('10.0.15.1', config), keyOf('10.0.16.1', config));
  assert.equal(keyOf('2001:db8:0:40::', config), keyOf('2001:db8:0:7f::', config));
  assert.notEqual(keyOf('2001:db8:0:40::', config), keyOf('2001:db8:0:80::', config));
});

test('with a prefix of 0 all addresses of a family are one, and the two families are not', () => {
  const config = { prefix4: 0, prefix6: 0 };
  assert.equal(keyOf('10.0.0.1', config), keyOf('192.0.2.1', config));
  assert.equal(keyOf('::1', config), keyOf('2001:db8::', config));
  assert.notEqual(keyOf('10.0.0.1', config), keyOf('::1', config));
});

test('an IPv4-mapped IPv6 address counts as the IPv4 address it holds', () => {
  assert.equal(keyOf('::ffff:192.0.2.1'), keyOf('192.0.2.1'));
  assert.equal(keyOf('::ffff:c000:201'), keyOf('192.0.2.1'));
  assert.notEqual(keyOf('::ffff:192.0.2.1'), keyOf('::ffff:192.0.2.2'));
});

test('the spelling of an address does not matter', () => {
  assert.equal(keyOf('2001:DB8:0:0:0::1'), keyOf('2001:db8::1'));
});

test('no address is no key (behaviour 15)', () => {
  assert.equal(keyOf(''), Find.none);
  for (const client of ['unknown', '1.2.3', '0x7f000001', '010.0.0.1', '1.2.3.4:80', '[::1]'])
    assert.equal(keyOf(client), Find.invalid, client);
});
