import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Backend } from '../../../../src/backends/backend.ts';
import { Key } from '../../../../src/keys/key.ts';
import { format, parse } from '../../../../src/keys/public-id.ts';
import { parseChange } from '../../../../src/sessions/store/redis/stored-session.ts';
import { Claim } from '../../../../src/sessions/store/store.ts';
import { Lookup } from '../../../../src/sessions/table/lookup.ts';
import { Row } from '../../../../src/sessions/table/row.ts';
import { eventually } from '../../../support/eventually.ts';
import { quickest } from '../../../support/quickest.ts';
import { RedisServer } from '../../../support/redis.ts';
import { openRedisNode, type RedisNode } from '../../../support/redis-nodes.ts';
import { randomKeys } from '../../random-keys.ts';

const LONG = 20_000;
const HEADER = 2;

/** What limpet 0.1 wrote to Redis and said on its channel, recorded from its commit 5c8c1e5. */
const old = JSON.parse(readFileSync(new URL('../../limpet-0.1/redis.json', import.meta.url), 'utf8')) as {
  records: Record<string, string | Record<string, string>>;
  changes: string[];
};

describe('nodes that share a Redis, and the lives of their backends', () => {
  let redis: RedisServer;
  const nodes: RedisNode[] = [];
  before(async () => {
    redis = await RedisServer.start();
  });
  after(() => redis?.stop());
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close();
    await redis.client.flushall();
  });

  async function open(order = 'abc'): Promise<RedisNode> {
    const node = await openRedisNode({ url: redis.url }, order);
    nodes.push(node);
    await eventually('the store to be up', () => node.status.up, LONG);
    return node;
  }

  const backend = ({ pool }: RedisNode, id: string): Backend => pool.byId.get(id)!;
  const number = (node: RedisNode, id: string): number => backend(node, id).life.number;

  /** Which life of which backend a node has a session on. */
  const boundTo = (node: RedisNode, key: Key): string | null => {
    const row = new Row();
    if (node.table.peek(key, Date.now(), row) !== Lookup.LIVE) return null;
    const { id, life } = node.pool.bySlot[row.backend]!;
    return `${id} ${life.numberOf(row.generation)}`;
  };

  const claim = async (node: RedisNode, key: Key): Promise<string | null> => {
    const claimed = await node.store.claim(key, node.pool, backend(node, 'c'), HEADER, Date.now(), new Row());
    assert.ok(claimed === Claim.made || claimed === Claim.bound);
    return boundTo(node, key);
  };

  test('M1, 114: what one node sees end has ended for all, each told once, also for one that starts later', async () => {
    const [one, two] = [await open(), await open('xcba')];
    assert.equal(one.restarts.end(backend(one, 'a'), 1, 'operator'), true);
    await eventually('the other to hear', () => number(two, 'a') === 2, LONG);
    assert.deepEqual([one.ended, two.ended], [['a operator'], ['a store']]);
    // To the millisecond, so that they agree on who was there before.
    assert.equal(backend(two, 'a').life.began, backend(one, 'a').life.began);
    assert.equal(two.restarts.end(backend(two, 'a'), 1, 'boot'), false, 'it has ended already');
    const three = await open('bca');
    assert.equal(number(three, 'a'), 2);
    assert.deepEqual(three.ended, []);
  });

  test('M1, 114: a refusal ends nothing while another node has a connection that stands', async () => {
    const [one, two] = [await open(), await open('xcba')];
    two.standing.set('shop/a', 1);
    assert.equal(await one.supervisor.hasEnded('shop/a', 1), false);
    // For a moment nobody need be asked again.
    two.standing.clear();
    assert.equal(await one.supervisor.hasEnded('shop/a', 1), false);
    assert.equal(await one.supervisor.hasEnded('shop/b', 1), true, 'another backend');
    await redis.client.del('limpet:refused:shop/a');
    one.restarts.end(backend(one, 'a'), 1, 'refused');
    await eventually('both to know', () => number(one, 'a') === 2 && number(two, 'a') === 2, LONG);
    assert.deepEqual([one.ended, two.ended], [['a refused'], ['a store']]);
  });

  test('M1, 114: a node whose own connections have just ended does not object', async () => {
    const [one, two] = [await open(), await open('xcba')];
    let looks = 0;
    // The first look comes before the end is read; the backend is back before the last.
    two.standing.get = () => (++looks >= 2 && looks <= 4 ? 0 : 1);
    assert.equal(await one.supervisor.hasEnded('shop/a', 1), true);
    assert.equal(looks, 4);
    // A probe's connection takes the place of the one before.
    two.standing.get = () => (++looks % 4 === 0 ? 0 : 1);
    assert.equal(await one.supervisor.hasEnded('shop/b', 1), false);
  });

  test('M1, 114: a node that is alone is not kept waiting, and without Redis each decides alone and tells later', async () => {
    const one = await open();
    const alone = await quickest(400, async () => {
      const asked = performance.now();
      assert.equal(await one.supervisor.hasEnded('shop/a', 1), true);
      return performance.now() - asked;
    });
    assert.ok(alone < 400, `${alone} ms`);
    const two = await open('xcba');
    await redis.kill();
    await eventually('both to notice', () => !one.status.up && !two.status.up, LONG);
    one.restarts.end(backend(one, 'a'), 1, 'refused');
    await eventually('one to decide', () => number(one, 'a') === 2, LONG);
    // Both see b end: it is one end.
    for (const node of [one, two]) node.restarts.end(backend(node, 'b'), 1, 'boot');
    // Two restarts, of which the other one saw the first.
    two.restarts.end(backend(two, 'c'), 1, 'boot');
    two.restarts.end(backend(two, 'c'), 2, 'boot');
    one.restarts.end(backend(one, 'c'), 1, 'boot');
    assert.deepEqual([number(two, 'a'), number(one, 'c')], [1, 2]);
    await redis.start();
    await eventually('both to know', () => number(two, 'a') === 2 && number(one, 'c') === 3, LONG);
    for (const node of [one, two]) {
      const numbers = ['a', 'b', 'c'].map((id) => number(node, id));
      assert.deepEqual(numbers, [2, 2, 3]);
    }
    assert.deepEqual(one.ended, ['a refused', 'b boot', 'c boot', 'c store']);
    assert.deepEqual(two.ended, ['b boot', 'c boot', 'c boot', 'a store']);
  });

  test('M1, 114: sessions of both nodes know that they are of an earlier life', async () => {
    const [one, two] = [await open(), await open('xcba')];
    const keys = randomKeys(2, 81) as [Key, Key];
    assert.equal(await claim(one, keys[0]), 'c 1');
    assert.equal(await claim(two, keys[1]), 'c 1');
    for (const [node, key] of [
      [one, keys[0]],
      [two, keys[1]],
    ] as const)
      node.table.confirm(key, backend(node, 'c').slot, Date.now());
    one.restarts.end(backend(one, 'c'), 1, 'boot');
    await eventually('the other to hear', () => number(two, 'c') === 2, LONG);
    // The other's.
    assert.equal(await claim(one, keys[1]), 'c 1');
    assert.equal(await claim(two, keys[0]), 'c 1');
  });

  test('119: the sessions that limpet 0.1 has in Redis are found, in the life that they were seen in', async () => {
    const [one, two] = [await open(), await open('xcba')];
    const sessions = Object.entries(old.records).filter(([key]) => key.startsWith('limpet:s:')) as [
      string,
      Record<string, string>,
    ][];
    // As if it had been a minute ago.
    const seen = Math.max(...sessions.map(([, { s }]) => Number(s)));
    const ago = Date.now() - 60_000 - seen;
    for (const [key, fields] of sessions) {
      const later = Object.entries(fields).map(([name, value]) => {
        const moved = (name === 'c' || name === 's' || name === 'e') && value !== '0';
        return [name, moved ? String(Number(value) + ago) : value];
      });
      await redis.client.hset(key, Object.fromEntries(later));
    }
    backend(two, 'b').life.end(1, Date.now() - 30_000);
    let found = 0;
    for (const node of [one, two]) {
      const lives = { a: 1, b: 1, c: 1 } as Record<string, number>;
      for (const [name, value] of sessions) {
        if (value.e !== '0') continue;
        const key = new Key();
        assert.ok(parse(name.slice('limpet:s:'.length), key));
        const row = new Row();
        const to = backend(node, 'c');
        assert.equal(await node.store.claim(key, node.pool, to, HEADER, Date.now(), row), Claim.bound);
        assert.equal(node.table.peek(key, Date.now(), row), Lookup.LIVE);
        const bound = node.pool.bySlot[row.backend]!;
        assert.deepEqual([bound.id, bound.life.numberOf(row.generation)], [value.b, lives[value.b!]]);
        found++;
      }
    }
    assert.equal(found, 46);
  });

  test('119: where limpet 0.1 has touched a session since, the life that was written before says nothing', async () => {
    const [one, two] = [await open(), await open('xcba')];
    const key = randomKeys(1, 82)[0]!;
    const id = format(key);
    assert.equal(await claim(one, key), 'c 1');
    one.table.confirm(key, backend(one, 'c').slot, Date.now());
    await eventually('it is written', async () => (await redis.client.hget(`limpet:s:${id}`, 'p')) === '0', LONG);
    const ended = Date.now();
    one.restarts.end(backend(one, 'c'), 1, 'boot');
    await eventually('the other to hear', () => number(two, 'c') === 2, LONG);
    // As limpet 0.1 writes behind what it has answered.
    await redis.client.hset(`limpet:s:${id}`, { s: String(ended + 10), p: '0', h: '' });
    assert.equal(await claim(two, key), 'c 2');
  });

  test('119: what limpet 0.1 says on the channel is understood, and it overlooks what is new', async () => {
    for (const text of old.changes) {
      const change = parseChange(text);
      assert.equal(change?.stored.life, 0);
      assert.equal(change?.stored.pool, 'shop');
    }
    const [one, two] = [await open(), await open('xcba')];
    const said: string[] = [];
    const listener = redis.client.duplicate();
    await listener.subscribe('limpet:changes');
    listener.on('message', (_channel, text) => said.push(text));
    one.restarts.end(backend(one, 'a'), 1, 'refused');
    const key = randomKeys(1, 83)[0]!;
    await claim(one, key);
    one.table.confirm(key, backend(one, 'c').slot, Date.now());
    one.store.move(key, one.pool, backend(one, 'b'), 0, Date.now(), rowOf(one, key));
    await eventually('all is said', () => number(two, 'a') === 2 && said.some((text) => /\nbound\n/.test(text)), LONG);
    listener.disconnect();
    for (const text of said) {
      // What limpet 0.1 makes of a message: node, op, id, pool, backend, created, moves, by, until and hashes by their
      // places.
      const [, op, , pool, to, created, moves, by, until] = text.split('\n');
      if (op !== 'bound' && op !== 'ended') continue;
      assert.deepEqual([pool, to], ['shop', 'b']);
      assert.ok([created, moves, by, until].every((field) => field !== '' && Number.isFinite(Number(field))));
    }
  });
});

function rowOf(node: RedisNode, key: Key): Row {
  const row = new Row();
  node.table.peek(key, Date.now(), row);
  return row;
}
