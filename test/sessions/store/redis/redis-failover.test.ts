import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Key } from '../../../../src/keys/key.ts';
import { Claim } from '../../../../src/sessions/store/store.ts';
import { MoveReason } from '../../../../src/sessions/table/move-reasons.ts';
import { Row } from '../../../../src/sessions/table/table.ts';
import { claimOn, homeOf } from '../../../contracts/session-store.ts';
import { eventually } from '../../../support/eventually.ts';
import { RedisServer } from '../../../support/redis.ts';
import { openRedisNode, type RedisNode } from '../../../support/redis-nodes.ts';
import { type RedisSet, startCluster, startSentinels } from '../../../support/redis-sets.ts';
import { randomKeys } from '../../random-keys.ts';

const FLIP_MS = 60_000;
let seed = 100;

async function startOne(): Promise<RedisSet> {
  const server = await RedisServer.start();
  const config = { url: server.url, sentinels: [], cluster: [] };
  return { servers: [server], config, stop: () => server.stop() };
}

const up = (nodes: readonly RedisNode[], wanted = true): Promise<unknown> =>
  eventually(
    `the store to be ${wanted ? 'up' : 'down'}`,
    () => nodes.every(({ status }) => status.up === wanted),
    FLIP_MS,
  );

/** Claims keys on both nodes at once, for as long as `work` takes. Answers the keys; fails when a call did. */
async function underLoad(nodes: readonly RedisNode[], work: () => Promise<unknown>): Promise<Key[]> {
  const keys = randomKeys(100_000, seed++);
  const used: Key[] = [];
  let over = false;
  let slowest = 0;
  const load = async (): Promise<void> => {
    while (!over) {
      const key = keys.pop()!;
      used.push(key);
      const started = performance.now();
      const said = await Promise.all([claimOn(nodes[0]!, key, 'a'), claimOn(nodes[1]!, key, 'b')]);
      slowest = Math.max(slowest, performance.now() - started);
      for (const [n, { claim, home }] of said.entries()) {
        assert.ok(claim === Claim.made || claim === Claim.bound, `a call answered ${claim}`);
        assert.ok(home !== null, `node ${n} has no row`);
        const { table, pool } = nodes[n]!;
        table.confirm(key, pool.byId.get(home)!.slot, Date.now());
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const loads = Array.from({ length: 5 }, load);
  try {
    await Promise.race([work(), ...loads]);
  } finally {
    over = true;
  }
  await Promise.all(loads);
  assert.ok(slowest < 20_000, `a call took ${slowest} ms`);
  return used;
}

const agree = (nodes: readonly RedisNode[], keys: readonly Key[]): Promise<unknown> =>
  eventually(
    'both nodes to agree on every session',
    () => keys.every((key) => homeOf(nodes[0]!, key) === homeOf(nodes[1]!, key)),
    FLIP_MS,
  );

const SETS = {
  'one server that is started again empty': { start: startOne, heal: (set: RedisSet) => set.servers[0]!.start() },
  'a master whose replica takes over': { start: startSentinels, heal: async () => {} },
  'a Cluster, one of whose masters comes back': {
    start: startCluster,
    heal: (set: RedisSet) => set.servers[0]!.start(),
  },
};

for (const [name, { start, heal }] of Object.entries(SETS)) {
  test(`26: a master killed in the midst of load fails no call: ${name}`, async (context) => {
    const set = await start();
    context.after(() => set.stop());
    const nodes = await Promise.all([openRedisNode(set.config, 'abc'), openRedisNode(set.config, 'cba')]);
    context.after(() => Promise.all(nodes.map((node) => node.close())));
    const keys = await underLoad(nodes, async () => {
      await eventually('some load', () => nodes[0]!.table.size > 50, FLIP_MS);
      await set.servers[0]!.kill();
      await eventually('the outage', () => nodes.some(({ log }) => log.some(isDown)), FLIP_MS);
      await heal(set);
      await up(nodes);
    });
    await agree(nodes, keys);
    // And nodes decide together again, as soon as the last of it has settled.
    await eventually(
      'the nodes to decide together',
      async () => {
        let together = true;
        for (const key of randomKeys(50, seed++)) {
          const said = await Promise.all([claimOn(nodes[0]!, key, 'a'), claimOn(nodes[1]!, key, 'b')]);
          together &&= said[0].home === said[1].home;
        }
        return together;
      },
      FLIP_MS,
    );
  });
}

const isDown = ({ msg }: Record<string, unknown>): boolean => msg === 'the shared session store is down';

describe('two nodes and a store that goes and comes', () => {
  let redis: RedisServer;
  let one: RedisNode;
  let two: RedisNode;
  let nodes: readonly RedisNode[];
  before(async () => {
    redis = await RedisServer.start();
    one = await openRedisNode({ url: redis.url }, 'abc');
    two = await openRedisNode({ url: redis.url }, 'cab');
    nodes = [one, two];
  });
  after(async () => {
    await one?.close();
    await two?.close();
    await redis?.stop();
  });

  test('26: when it comes back, the older binding wins, whichever node writes first', async () => {
    await redis.kill();
    await up(nodes, false);
    const keys = randomKeys(100, seed++);
    const firsts: string[] = [];
    for (const [n, key] of keys.entries()) {
      const [first, second] = n % 2 === 0 ? [one, two] : [two, one];
      const now = Date.now();
      const [id, other] = n % 2 === 0 ? ['a', 'b'] : ['b', 'c'];
      firsts.push(id!);
      assert.equal(
        first!.store.claim(key, first!.pool, first!.pool.byId.get(id!)!, 4, now - 50, new Row()),
        Claim.made,
      );
      assert.equal(
        second!.store.claim(key, second!.pool, second!.pool.byId.get(other!)!, 4, now, new Row()),
        Claim.made,
      );
    }
    assert.ok(one.supervisor.view.pending >= 100);
    await redis.start();
    await up(nodes);
    for (const node of nodes)
      await eventually('the older binding', () => keys.every((key, n) => homeOf(node, key) === firsts[n]), FLIP_MS);
    await eventually('nothing to be left to tell', () => one.supervisor.view.pending === 0, FLIP_MS);
  });

  test('one that hangs is waited for no longer than half a second, and asked again when it is back', async () => {
    redis.signal('SIGSTOP');
    const [key, other] = randomKeys(2, seed++) as [Key, Key];
    const started = performance.now();
    const said = await Promise.all([claimOn(one, key, 'a'), claimOn(one, key, 'b')]);
    assert.ok(performance.now() - started < 20_000);
    assert.deepEqual(
      said.map(({ home }) => home),
      ['a', 'a'],
    );
    const row = new Row();
    one.table.peek(key, Date.now(), row);
    assert.equal(row.pending, false);
    assert.equal(one.status.up, false);
    assert.equal(typeof one.store.claim(other, one.pool, one.pool.byId.get('b')!, 4, Date.now(), row), 'number');
    redis.signal('SIGCONT');
    await up(nodes);
    await eventually(
      'the other node to hear of it',
      async () => (await claimOn(two, other, 'a')).home === 'b',
      FLIP_MS,
    );
  });

  test('scripts that Redis has forgotten are sent again', async () => {
    await redis.client.script('FLUSH');
    const [key] = randomKeys(1, seed++) as [Key];
    assert.equal((await claimOn(one, key, 'a')).home, 'a');
    assert.equal((await claimOn(two, key, 'b')).home, 'a');
    assert.equal(one.status.up, true);
  });

  test('what was said while a node could not hear is made up for', async () => {
    const keys = randomKeys(50, seed++);
    for (const key of keys) {
      await claimOn(one, key, 'a');
      one.table.confirm(key, one.pool.byId.get('a')!.slot, Date.now());
      await claimOn(two, key, 'b');
    }
    await redis.client.client('KILL', 'TYPE', 'PUBSUB');
    for (const key of keys) {
      const row = new Row();
      one.table.peek(key, Date.now(), row);
      one.store.move(key, one.pool, one.pool.byId.get('c')!, MoveReason['backend-down'], Date.now(), row);
    }
    await eventually('the moves', () => keys.every((key) => homeOf(two, key) === 'c'), FLIP_MS);
  });

  test('requests that are only counted are written too, and the session expires by itself', async () => {
    const [key] = randomKeys(1, seed++) as [Key];
    const past = Date.now() - 60_000;
    const row = new Row();
    await one.store.claim(key, one.pool, one.pool.byId.get('a')!, 4, past, row);
    one.table.confirm(key, one.pool.byId.get('a')!.slot, past);
    const { format } = await import('../../../../src/keys/public-id.ts');
    const name = `limpet:s:${format(key)}`;
    await eventually('it to be confirmed', async () => (await redis.client.hget(name, 'p')) === '0', FLIP_MS);
    const now = Date.now();
    one.table.lookup(key, now, 1800_000, 43_200_000, row);
    await eventually('the request', async () => Number(await redis.client.hget(name, 's')) === now, FLIP_MS);
    const left = await redis.client.pttl(name);
    assert.ok(left > 1700_000 && left <= 1815_000, `it is kept for ${left} ms`);
    const found = await two.supervisor.lookup(format(key));
    assert.equal(found?.backend, 'a');
    assert.equal(found?.lastSeen, now);
  });
});

test('whenDown reject: nothing is decided alone', async (context) => {
  const redis = await RedisServer.start();
  context.after(() => redis.stop());
  const node = await openRedisNode({ url: redis.url, whenDown: 'reject' }, 'ab');
  context.after(() => node.close());
  const keys = randomKeys(3, seed++) as [Key, Key, Key];
  redis.signal('SIGSTOP');
  assert.equal((await claimOn(node, keys[0], 'a')).claim, Claim.refused);
  redis.signal('SIGCONT');
  await redis.kill();
  await up([node], false);
  assert.equal(node.store.refuses, true);
  assert.equal((await claimOn(node, keys[1], 'a')).claim, Claim.refused);
  const a = node.pool.byId.get('a')!;
  assert.equal(await node.store.recall(keys[2], node.pool, a, 0, Date.now(), Date.now()), Claim.refused);
  for (const key of keys) assert.equal(homeOf(node, key), null);
});
