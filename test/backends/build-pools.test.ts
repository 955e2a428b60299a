import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildPools } from '../../src/backends/build-pools.ts';
import { nameHash } from '../../src/backends/name-hash.ts';
import { testConfig } from './test-pool.ts';

const SLOTS = new Map([
  ['shop/a', { slot: 4, generation: 7 }],
  ['shop/b', { slot: 2, generation: 1 }],
]);

test('a backend has its address, slot, generation and limits resolved', () => {
  const config = testConfig([
    { id: 'a', url: 'http://127.0.0.1:9001', maxRequests: 5, backup: true },
    { id: 'b', url: 'http://[::1]:8080' },
  ]);
  const [pool] = buildPools(config, SLOTS);
  const { replicas, life, ...a } = pool!.byId.get('a')!;
  assert.deepEqual([life.number, life.began, life.stamp], [1, 0, 7]);
  assert.deepEqual(replicas, []);
  assert.deepEqual(a, {
    id: 'a',
    pool: 'shop',
    poolIndex: 0,
    slot: 4,
    generation: 7,
    since: 0,
    departing: false,
    host: '127.0.0.1',
    port: 9001,
    socketPath: null,
    secure: false,
    authority: '127.0.0.1:9001',
    url: 'http://127.0.0.1:9001',
    backup: true,
    maxRequests: 5,
    hash: nameHash('shop/a'),
  });
  const { host, port, authority } = pool!.byId.get('b')!;
  assert.deepEqual({ host, port, authority }, { host: '::1', port: 8080, authority: '[::1]:8080' });
});

test('a Host header leaves out the default port (RFC 9110 4.2.3), a connection does not', () => {
  const config = testConfig([{ id: 'a', url: 'http://shop.internal:80' }]);
  const { host, port, authority } = buildPools(config, SLOTS)[0]!.backends[0]!;
  assert.deepEqual({ host, port, authority }, { host: 'shop.internal', port: 80, authority: 'shop.internal' });
});

test('a backend of https:// is secure on port 443 unless it says otherwise, and one of unix: has a path', () => {
  const config = testConfig([
    { id: 'a', url: 'https://shop.internal' },
    { id: 'b', url: 'unix:/run/my app.sock' },
  ]);
  const [a, b] = buildPools(config, SLOTS)[0]!.backends;
  assert.deepEqual([a!.secure, a!.host, a!.port, a!.authority], [true, 'shop.internal', 443, 'shop.internal']);
  assert.deepEqual([b!.secure, b!.socketPath, b!.authority], [false, '/run/my app.sock', 'localhost']);
});

test('backends are found by id and by slot, and a slot of nobody is undefined', () => {
  const [pool] = buildPools(testConfig([{ id: 'a' }, { id: 'b' }]), SLOTS);
  const [a, b] = pool!.backends;
  assert.equal(pool!.byId.get('b'), b);
  assert.deepEqual(pool!.bySlot, [undefined, undefined, b, undefined, a]);
});

test('replicas are the backends themselves, in the order of the configuration, also when they point at each other', () => {
  const config = testConfig([
    { id: 'a', replicas: ['b'] },
    { id: 'b', replicas: ['a'] },
  ]);
  const [a, b] = buildPools(config, SLOTS)[0]!.backends;
  assert.equal(a!.replicas[0], b);
  assert.equal(b!.replicas[0], a);
});

test('a backend without a slot or with a replica from nowhere is refused by name', () => {
  assert.throws(() => buildPools(testConfig([{ id: 'c' }]), SLOTS), /backend shop\/c has no slot/);
  const config = testConfig([{ id: 'a', replicas: ['x'] }]);
  assert.throws(() => buildPools(config, SLOTS), /replica x of backend shop\/a is not in the pool/);
});

test('a pool without backends is built empty', () => {
  const [pool] = buildPools(testConfig([]), SLOTS);
  assert.deepEqual(pool!.backends, []);
  assert.deepEqual(pool!.bySlot, []);
});

test('the hash of a name is the same in every release and differs between names', () => {
  assert.equal(nameHash('shop/a'), 249_239_808);
  const names = Array.from({ length: 2000 }, (_, i) => nameHash(`shop/${i}`));
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.every((hash) => Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32));
});
