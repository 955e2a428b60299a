import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Key } from '../../../src/keys/key.ts';
import { HandoverClient } from '../../../src/sessions/persistence/handover-client.ts';
import { Frame, sendFrame } from '../../../src/sessions/persistence/handover-frames.ts';
import { HandoverServer } from '../../../src/sessions/persistence/handover-server.ts';
import { Lookup, Row, type SessionTable } from '../../../src/sessions/table/table.ts';
import { eventually } from '../../support/eventually.ts';
import { BACKENDS, contents, description, fill, LogLines, makeTable, named, T } from '../named-backends.ts';
import { randomKeys } from '../random-keys.ts';

const LONG = 20_000;
const now = (): number => T;

interface Old {
  readonly path: string;
  readonly table: SessionTable;
  readonly server: HandoverServer;
  readonly log: LogLines;
  readonly asked: string[];
}

async function serve(t: TestContext, list: string[] = BACKENDS, names = named(list)): Promise<Old> {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-handover-'));
  const path = join(directory, 'rows.sock');
  const table = makeTable();
  const log = new LogLines();
  const asked: string[] = [];
  const server = await HandoverServer.listen({
    path,
    table,
    names,
    describe: description,
    log,
    onTakeOver: () => asked.push('take over'),
    onReturn: () => asked.push('return'),
    now,
  });
  t.after(async () => {
    await server.close();
    rmSync(directory, { recursive: true });
  });
  return { path, table, server, log, asked };
}

async function join_(t: TestContext, path: string): Promise<HandoverClient> {
  const client = await HandoverClient.connect(path, now);
  assert.ok(client !== null);
  t.after(() => client.close());
  return client;
}

function same(one: SessionTable, other: SessionTable): boolean {
  return JSON.stringify(sorted(contents(one))) === JSON.stringify(sorted(contents(other)));
}

function sorted(rows: Record<string, object>): object[] {
  return Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1));
}

test('a new process gets the whole table, and then every change, until the old one says that that was all', async (t) => {
  const { path, table, server } = await serve(t);
  fill(table, 900, 1);
  const client = await join_(t, path);
  assert.deepEqual(client.description.backends, description().backends);
  const mine = makeTable();
  const counts = await client.load(named(BACKENDS), mine);
  assert.deepEqual(counts, { rows: 900, added: 900, leftOut: 0 });
  assert.ok(same(mine, table));
  const row = new Row();
  const keys = randomKeys(900, 1);
  fill(table, 50, 2);
  for (let n = 100; n < 300; n++) table.move(keys[n]!, n % 3, (n + 1) % 3, 1, 0, T, row);
  for (let n = 300; n < 400; n++) table.end(keys[n]!, T, T + 2e9);
  for (let n = 400; n < 900; n++) table.lookup(keys[n]!, T + 5, 0, 0, row);
  await eventually('the changes', () => same(mine, table), LONG);
  await client.own();
  // What comes in the last moment comes too.
  for (let n = 400; n < 500; n++) table.lookup(keys[n]!, T + 9, 0, 0, row);
  assert.equal(await server.close(), true);
  assert.equal(await client.ended, true);
  assert.ok(same(mine, table));
});

test('backends are found by name, also those that come later; what this process does not have is left out (12)', async (t) => {
  const list = [...BACKENDS];
  const { path, table } = await serve(t, list);
  fill(table, 90, 1);
  const client = await join_(t, path);
  const mine = makeTable();
  const here = ['shop/new', 'shop/c', 'shop/a'];
  const counts = await client.load(named(here), mine);
  assert.deepEqual([counts?.rows, counts?.leftOut], [90, 90 - counts!.added]);
  assert.ok(counts!.leftOut > 20);
  list.push('shop/new');
  const late = randomKeys(1, 9)[0]!;
  table.adopt(late, 1, 3, 1, 0, T, T, new Row());
  const row = new Row();
  await eventually('the session of the new backend', () => mine.peek(late, T, row) === 1, LONG);
  assert.equal(row.backend, 0);
});

test('a row that both have changed ends as the older binding and the later end would have it (26)', async (t) => {
  const { path, table } = await serve(t);
  const row = new Row();
  const [older, younger, ended] = randomKeys(3, 1);
  table.adopt(older!, 1, 0, 1, 0, T - 9, T, row);
  table.adopt(younger!, 1, 0, 1, 0, T - 1, T, row);
  table.adopt(ended!, 1, 0, 1, 0, T - 9, T, row);
  const mine = makeTable();
  mine.claim(older!, 1, 1, 1, 0, T - 5, row);
  mine.claim(younger!, 1, 1, 1, 0, T - 5, row);
  mine.end(ended!, T, T + 1000);
  await (await join_(t, path)).load(named(BACKENDS), mine);
  mine.peek(older!, T, row);
  assert.equal(row.backend, 0);
  mine.peek(younger!, T, row);
  assert.equal(row.backend, 1);
  assert.equal(mine.peek(ended!, T, row), 4);
});

test('what begins, moves or ends in the new process is known to the old one too, as long as it is there (47)', async (t) => {
  const { path, table, server } = await serve(t);
  fill(table, 300, 1);
  const client = await join_(t, path);
  const mine = makeTable();
  const list = ['shop/new', ...BACKENDS];
  await client.load(named(list, 4), mine);
  client.share(description(), named(list, 4), mine);
  const row = new Row();
  const [fresh, unknown] = randomKeys(2, 77);
  mine.claim(fresh!, 1, 2, 4, 0, T, row);
  mine.claim(unknown!, 1, 0, 4, 0, T, row);
  const keys = randomKeys(300, 1);
  mine.move(keys[1]!, 2, 3, 4, 0, T, row);
  mine.end(keys[2]!, T, T + 5000);
  await eventually('the news', () => table.peek(keys[2]!, T, row) === 4 && table.peek(fresh!, T, row) === 1, LONG);
  assert.equal(BACKENDS[row.backend], 'shop/b');
  await eventually('the move', () => table.peek(keys[1]!, T, row) === 1 && row.backend === 2, LONG);
  assert.equal(table.peek(unknown!, T, row), 0, 'its backend is not there');
  await client.own();
  assert.equal(await server.close(), true);
});

test('the socket is for its user only; one that a dead process left is replaced, one that is in use is not', async (t) => {
  const { path, server } = await serve(t);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const parts = {
    path,
    table: makeTable(),
    names: named(BACKENDS),
    describe: description,
    log: new LogLines(),
    onTakeOver: () => {},
    onReturn: () => {},
    now,
  };
  await assert.rejects(HandoverServer.listen(parts), /another process listens on/);
  await server.close();
  assert.equal(existsSync(path), false);
  assert.equal(await HandoverClient.connect(path, now), null);
  const left = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  spawnSync(process.execPath, ['-e', left, path]);
  assert.equal(statSync(path).isSocket(), true);
  assert.equal(await HandoverClient.connect(path, now), null);
  const again = await HandoverServer.listen(parts);
  (await join_(t, path)).close();
  await again.close();
  writeFileSync(path, 'something else');
  await assert.rejects(HandoverServer.listen(parts), /is not a socket/);
});

test('the new process has the file once it says so, the socket is free for it then, and the old one takes both back when it is gone', async (t) => {
  const { path, server, asked, table } = await serve(t);
  fill(table, 10, 1);
  const client = await join_(t, path);
  await client.load(named(BACKENDS), makeTable());
  assert.equal(server.released, false);
  await client.own();
  assert.equal(server.released, true);
  assert.equal(existsSync(path), false);
  assert.equal(client.takeOver(), true);
  await eventually('the wish', () => asked.includes('take over'), LONG);
  client.close();
  await eventually('the return', () => asked.includes('return') && existsSync(path), LONG);
  assert.equal(server.released, false);
  assert.equal(client.takeOver(), false);
  // And all over again.
  const next = await join_(t, path);
  assert.equal((await next.load(named(BACKENDS), makeTable()))?.rows, 10);
});

test('a process that only joined leaves the file to the old one', async (t) => {
  const { path, server } = await serve(t);
  const client = await join_(t, path);
  await client.load(named(BACKENDS), makeTable());
  assert.equal(await server.close(), false);
  assert.equal(await client.ended, false);
});

test('sessions go to one process at a time', async (t) => {
  const { path } = await serve(t);
  const first = await join_(t, path);
  const second = await join_(t, path);
  await first.load(named(BACKENDS), makeTable());
  assert.equal(await second.load(named(BACKENDS), makeTable()), null);
  await assert.rejects(HandoverClient.connect(path, now), /another process takes over from it already/);
  first.close();
  await eventually(
    'the first one to be gone',
    async () => {
      const third = await HandoverClient.connect(path, now).catch(() => null);
      third?.close();
      return third !== null;
    },
    LONG,
  );
});

test('an old process that ends in the midst of it is told from one that has sent all', async (t) => {
  const { path } = await serve(t);
  // It hands over to nobody: what is sent is a description and then the end.
  const fake = join(path, '..', 'fake.sock');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const whole = { ...description(), writtenAt: T, keySources: [], moveReasons: [], names: [] };
      sendFrame(socket, Frame.DESCRIPTION, JSON.stringify(whole));
      socket.once('data', () => socket.destroy());
    });
  }).listen(fake);
  await once(server, 'listening');
  t.after(() => server.close());
  const client = await join_(t, fake);
  assert.equal(await client.load(named(BACKENDS), makeTable()), null);
  assert.equal(await client.ended, false);
});

test('whoever talks nonsense is cut off, and the next one is served', async (t) => {
  const { path, log } = await serve(t);
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    Buffer.from([99, 0, 0, 0, 0]),
    Buffer.from([1, 1, 0, 0, 0, 0x7b]),
    Buffer.from([1, 2, 0, 0, 0, 0x7b, 0x7d]),
  ]) {
    const socket = createConnection({ path }).on('error', () => {});
    socket.resume();
    if (Buffer.isBuffer(bytes) && bytes.length === 7) socket.end(bytes);
    else socket.write(bytes);
    await once(socket, 'close');
  }
  assert.equal(log.lines.length, 3, log.lines.join('\n'));
  await join_(t, path);
});

test('M1, 114: a life that ends while both run has ended for both, whichever saw it, and once', async (t) => {
  const old = named(BACKENDS);
  old.life('shop/b').reach(4, T - 5);
  const { path, table, server } = await serve(t, BACKENDS, old);
  const row = new Row();
  const [early, late] = randomKeys(2, 1) as [Key, Key];
  table.adopt(early, 1, 1, old.life('shop/b').stampOf(3), 0, T, T, row);
  const client = await join_(t, path);
  const mine = named([...BACKENDS].reverse(), 500);
  const own = makeTable();
  await client.load(mine, own);
  // Told before the rows that are bound to it.
  assert.deepEqual([mine.life('shop/b').number, mine.life('shop/b').began], [4, T - 5]);
  own.peek(early, T, row);
  assert.equal(mine.life('shop/b').numberOf(row.generation), 3);
  client.share(description(), mine, own);
  old.life('shop/a').end(1, T);
  await eventually('the new process hears', () => mine.life('shop/a').number === 2, LONG);
  mine.life('shop/c').end(1, T + 1);
  await eventually('the old process hears', () => old.life('shop/c').number === 2, LONG);
  // Both see the same end: it is one.
  old.life('shop/b').end(4, T + 2);
  mine.life('shop/b').end(4, T + 3);
  own.adopt(late, 1, mine.resolve('shop', 'b')!.slot, mine.life('shop/b').stamp, 0, T, T, row);
  await eventually('the old process has the session', () => table.peek(late, T, row) === Lookup.LIVE, LONG);
  assert.equal(old.life('shop/b').numberOf(row.generation), 5);
  await client.own();
  assert.equal(await server.close(), true);
  assert.equal(await client.ended, true);
  assert.deepEqual(
    BACKENDS.map((name) => [old.life(name).number, mine.life(name).number]),
    [
      [2, 2],
      [5, 5],
      [2, 2],
    ],
  );
});
