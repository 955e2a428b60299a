import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RateLimitConfig, RateLimiter } from '../../src/limits/rate-limiter.ts';
import { RateTable } from '../../src/limits/rate-table.ts';
import { randomKeys } from '../sessions/random-keys.ts';

const SECRET = Buffer.alloc(32, 7);
const T = 1_000_000;
const THREE: RateLimitConfig = { per: 'ip', rate: { count: 60, perMs: 60_000 }, burst: 3 };

function drain(take: () => number): number {
  for (let passed = 0; ; passed++) if (take() > 0) return passed;
}

test('addresses: IPv4 whole, IPv6 by its /64, one spelling or another (16)', () => {
  const limiter = new RateLimiter('shop', THREE, SECRET, new RateTable(RateTable.allocate(100), 2));
  const passes = (address: string): number => drain(() => limiter.takeOfAddress(address, T));
  assert.equal(passes('192.0.2.1'), 3);
  assert.equal(passes('192.0.2.2'), 3);
  assert.equal(passes('::ffff:192.0.2.2'), 0);
  assert.equal(passes('2001:db8:1:2::1'), 3);
  assert.equal(passes('2001:db8:1:2:ffff::9'), 0);
  assert.equal(passes('2001:db8:1:3::1'), 3);
  assert.equal(passes(''), 3, 'a unix socket');
  assert.equal(passes(''), 0);
  assert.ok(limiter.peekAddress('192.0.2.1', T) > 999);
  assert.equal(limiter.peekAddress('192.0.2.9', T), 0);
});

test('a burst that is not given is the number of the rate', () => {
  const limiter = new RateLimiter('shop', { ...THREE, burst: null }, SECRET, new RateTable(RateTable.allocate(100), 2));
  assert.equal(
    drain(() => limiter.takeOfAddress('192.0.2.1', T)),
    60,
  );
  assert.equal(limiter.takeOfAddress('192.0.2.1', T + 1_000), 0, '60 in a minute are one a second');
  assert.ok(limiter.takeOfAddress('192.0.2.1', T + 1_000) > 0);
});

test('the same limit finds its buckets again, another pool or limit begins anew', () => {
  const table = new RateTable(RateTable.allocate(100), 2);
  const key = randomKeys(1, 1)[0]!;
  const config: RateLimitConfig = { ...THREE, per: 'session' };
  const passes = (pool: string, limit: RateLimitConfig): number => {
    const limiter = new RateLimiter(pool, limit, SECRET, table);
    assert.equal(limiter.perSession, limit.per === 'session');
    return drain(() => limiter.takeOfSession(key, T));
  };
  assert.equal(passes('shop', config), 3);
  assert.equal(passes('shop', { ...config }), 0);
  assert.equal(passes('api', config), 3);
  assert.equal(passes('shop', { ...config, burst: 4 }), 4);
  assert.equal(passes('shop', { ...config, rate: { count: 61, perMs: 60_000 } }), 3);
  assert.equal(new RateLimiter('shop', config, SECRET, table).peekSession(randomKeys(2, 3)[1]!, T), 0);
});
