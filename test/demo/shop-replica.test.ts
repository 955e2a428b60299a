import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { ShopReplica } from '../../src/demo/shop-replica.ts';
import { ShopSessions } from '../../src/demo/shop-sessions.ts';
import { quickest } from '../support/quickest.ts';

const secret = '0123456789abcdef';

interface Batch {
  readonly ids: string[];
  readonly versions: number[];
  readonly secret: string | undefined;
  answer(boot: string): void;
}

/** A replica whose every answer the test gives by hand. */
async function handMade(context: TestContext) {
  const batches: Batch[] = [];
  const waiting: ((batch: Batch) => void)[] = [];
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { copies } = JSON.parse(text) as { copies: { id: string; version: number }[] };
    const batch: Batch = {
      ids: copies.map((copy) => copy.id),
      versions: copies.map((copy) => copy.version),
      secret: request.headers['x-shop-secret'] as string | undefined,
      answer: (boot) => response.end(JSON.stringify({ boot })),
    };
    const next = waiting.shift();
    if (next === undefined) batches.push(batch);
    else next(batch);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const next = (): Promise<Batch> => {
    const batch = batches.shift();
    return batch !== undefined ? Promise.resolve(batch) : new Promise((resolve) => waiting.push(resolve));
  };
  return { server, next, peer: { id: 'b', url: `http://127.0.0.1:${port}` } };
}

function replicaOf(
  context: TestContext,
  peer: { id: string; url: string },
  sessions: ShopSessions,
  waitMs?: number,
): ShopReplica {
  const replica = new ShopReplica(peer, secret, sessions, waitMs);
  context.after(() => replica.close());
  return replica;
}

test('the visitor waits until the replica has the change', async (context) => {
  const { next, peer } = await handMade(context);
  const sessions = new ShopSessions();
  const replica = replicaOf(context, peer, sessions, 60_000);
  const record = sessions.create('a', 'first-visit');
  let done = false;
  const copied = replica.copy([record]).then(() => {
    done = true;
  });
  const batch = await next();
  assert.deepEqual([batch.ids, batch.versions, batch.secret], [[record.id], [1], secret]);
  assert.equal(done, false);
  assert.equal(replica.holds(record), false);
  batch.answer('boot-1');
  await copied;
  assert.equal(replica.holds(record), true);
  sessions.changed(record);
  assert.equal(replica.holds(record), false);
});

test('changes that come while a batch is under way go together, each as it is by then', async (context) => {
  const { next, peer } = await handMade(context);
  const sessions = new ShopSessions();
  const replica = replicaOf(context, peer, sessions);
  replica.seen('boot-1');
  const [one, two, three] = [1, 2, 3].map(() => sessions.create('a', 'first-visit'));
  assert.ok(one && two && three);
  const first = replica.copy([one]);
  const batch = await next();
  const others = [replica.copy([two]), replica.copy([three])];
  sessions.changed(two);
  others.push(replica.copy([two]));
  batch.answer('boot-1');
  await first;
  const second = await next();
  assert.deepEqual(
    [second.ids, second.versions],
    [
      [two.id, three.id],
      [2, 1],
    ],
  );
  second.answer('boot-1');
  await Promise.all(others);
});

test('a dead replica holds nobody up, and gets everything when it is seen again', async (context) => {
  const { server, next, peer } = await handMade(context);
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const sessions = new ShopSessions();
  const replica = replicaOf(context, peer, sessions);
  const one = sessions.create('a', 'first-visit');
  await replica.copy([one]);
  assert.equal(replica.holds(one), false);
  const two = sessions.create('a', 'first-visit');
  await replica.copy([two]);

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  replica.seen('boot-2');
  const batch = await next();
  assert.deepEqual(batch.ids.sort(), [one.id, two.id].sort());
  batch.answer('boot-2');
});

test('a replica that came back with an empty memory gets all sessions again, without a word of the visitors', async (context) => {
  const { next, peer } = await handMade(context);
  const sessions = new ShopSessions();
  const replica = replicaOf(context, peer, sessions);
  replica.seen('boot-1');
  const record = sessions.create('a', 'first-visit');
  const copied = replica.copy([record]);
  (await next()).answer('boot-1');
  await copied;
  replica.seen('boot-1');
  replica.seen('boot-2');
  assert.equal(replica.holds(record), false);
  const again = await next();
  assert.deepEqual(again.ids, [record.id]);
  again.answer('boot-2');
});

test('a replica that hangs holds a visitor up for 200 ms, and the next ones not at all', async (context) => {
  const { next, peer } = await handMade(context);
  const sessions = new ShopSessions();
  const replica = replicaOf(context, peer, sessions);
  const record = sessions.create('a', 'first-visit');
  const began = performance.now();
  await replica.copy([record]);
  const waited = performance.now() - began;
  assert.ok(waited >= 195 && waited < 10_000, `waited ${waited} ms`);
  const hanging = await next();
  const again = await quickest(150, async () => {
    const other = sessions.create('a', 'first-visit');
    const asked = performance.now();
    await replica.copy([other]);
    return performance.now() - asked;
  });
  assert.ok(again < 150, `waited ${again} ms`);
  // It wakes up: from now on the visitors wait for it again.
  hanging.answer('boot-1');
  (await next()).answer('boot-1');
  (await next()).answer('boot-1');
});

test("copies of another server's sessions are not copied on", async (context) => {
  const { next, peer } = await handMade(context);
  const sessions = new ShopSessions();
  const replica = replicaOf(context, peer, sessions);
  sessions.apply({ id: 'x'.repeat(22), version: 7, state: null });
  const own = sessions.create('a', 'first-visit');
  replica.seen('boot-1');
  const batch = await next();
  assert.deepEqual(batch.ids, [own.id]);
  batch.answer('boot-1');
});
