/**
 * What limpet 0.1 has written and said (test/sessions/limpet-0.1, recorded from its commit 5c8c1e5, with the secret
 * below), as this one understands it.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Key } from '../../src/keys/key.ts';
import { format, parse } from '../../src/keys/public-id.ts';
import { keyFingerprint } from '../../src/keys/secrets.ts';
import { HandoverClient } from '../../src/sessions/persistence/handover-client.ts';
import { Frame, readFrames } from '../../src/sessions/persistence/handover-frames.ts';
import { SnapshotFile } from '../../src/sessions/persistence/snapshot-file.ts';
import type { SessionNames } from '../../src/sessions/persistence/snapshot-names.ts';
import type { RowRecord } from '../../src/sessions/table/row-record.ts';
import { Lookup, Row, type SessionTable } from '../../src/sessions/table/table.ts';
import { eventually } from '../support/eventually.ts';
import { BACKENDS, description, LogLines, makeTable, named } from './named-backends.ts';
import { randomKeys } from './random-keys.ts';

const SECRET = Buffer.alloc(32, 'one secret of the tests');
const RECORDED = new URL('limpet-0.1/', import.meta.url);
const LONG = 20_000;

/** What there was in it. */
const { at, ended, sessions } = JSON.parse(readFileSync(new URL('sessions.json', RECORDED), 'utf8')) as {
  /** When, ms since epoch. */
  at: number;
  /** Public id of the session that was ended. */
  ended: string;
  /** Ids of backends by public id of the session. */
  sessions: Record<string, string>;
};

/** Every session of a table with its backend and the life of it. */
function boundIn(table: SessionTable, names: SessionNames): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = ({ key, ended, backend, generation }: RowRecord): void => {
    const bound = names.backends(backend, generation);
    if (!ended) found[format(key)] = `${bound?.name} ${bound?.life}`;
  };
  table.copy(0, table.buckets, visit, at);
  return found;
}

function expected(lifeOf: (backend: string) => number): Record<string, string> {
  return Object.fromEntries(Object.entries(sessions).map(([id, to]) => [id, `shop/${to} ${lifeOf(to)}`]));
}

function isEnded(table: SessionTable): boolean {
  const key = new Key();
  assert.ok(parse(ended, key));
  return table.peek(key, at, new Row()) === Lookup.ENDED;
}

async function read(t: TestContext, names: SessionNames): Promise<SessionTable> {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-01-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'rows');
  cpSync(new URL('snapshot', RECORDED), path);
  const log = new LogLines();
  const opened = await new SnapshotFile(path, log, () => at).open([keyFingerprint(SECRET)]);
  assert.ok(opened !== null, log.lines.join());
  const table = makeTable();
  const counts = await opened.load(names, table);
  assert.deepEqual(counts, { rows: 24, added: 24, leftOut: 0 });
  return table;
}

test('119: the snapshot of limpet 0.1 is read whole', async (t) => {
  const names = named([...BACKENDS].reverse(), 7);
  const table = await read(t, names);
  assert.deepEqual(
    boundIn(table, names),
    expected(() => 1),
  );
  assert.equal(isEnded(table), true);
});

test('119, M1: in which life a session of limpet 0.1 was is told by when it was seen', async (t) => {
  const names = named(BACKENDS);
  // The clocks of two machines differ: what was seen within two seconds of it is not taken for older.
  names.life('shop/a').reach(4, at - 1000);
  names.life('shop/b').reach(3, at + 60_000);
  names.life('shop/c').reach(2, at - 60_000);
  const lives: Record<string, number> = { a: 4, b: 2, c: 2 };
  assert.deepEqual(
    boundIn(await read(t, names), names),
    expected((id) => lives[id]!),
  );
});

test('119: the hand-over of limpet 0.1 is understood, and nothing is said to it that it does not understand', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-01-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'rows.sock');
  const recorded = readFileSync(new URL('handover', RECORDED));
  const first = 5 + recorded.readUInt32LE(1);
  const heard: { type: number; payload: string }[] = [];
  const sockets: Socket[] = [];
  const old = createServer((socket) => {
    sockets.push(socket);
    readFrames(socket, (type, payload) => {
      heard.push({ type, payload: payload.toString(type === Frame.RECORDS ? 'hex' : 'utf8') });
      if (type === Frame.HELLO) socket.write(recorded.subarray(0, first));
      if (type === Frame.WANTED) socket.write(recorded.subarray(first));
    });
  });
  await new Promise<void>((resolve) => old.listen(path, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    old.close();
  });
  const client = await HandoverClient.connect(path, () => at);
  assert.ok(client !== null);
  t.after(() => client.close());
  const names = named([...BACKENDS].reverse(), 9);
  const table = makeTable();
  const counts = await client.load(names, table);
  assert.equal(counts?.added, 24);
  assert.deepEqual(
    boundIn(table, names),
    expected(() => 1),
  );
  assert.equal(isEnded(table), true);
  client.share(description(keyFingerprint(SECRET)), names, table);
  names.life('shop/a').end(1, at);
  const key = randomKeys(1, 1)[0]!;
  const { slot, life } = names.resolve('shop', 'a')!;
  table.claim(key, 1, slot, life.stamp, 0, at, new Row());
  table.confirm(key, slot, at);
  await eventually('the old process hears of it', () => heard.some(({ type }) => type === Frame.RECORDS), LONG);
  assert.deepEqual(JSON.parse(heard.find(({ type }) => type === Frame.NAMES)!.payload), ['shop/a']);
  assert.ok(heard.every(({ type }) => type <= Frame.GOODBYE));
  const told = JSON.parse(heard.find(({ type }) => type === Frame.DESCRIPTION)!.payload) as Record<string, unknown>;
  // All that it looks for.
  assert.deepEqual(
    ['keyFingerprint', 'backends', 'writtenAt', 'keySources', 'moveReasons', 'names'].filter((name) => !(name in told)),
    [],
  );
});
