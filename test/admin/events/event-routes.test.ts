import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { EventReader } from '../../support/event-reader.ts';
import { eventually } from '../../support/eventually.ts';
import { call } from '../call.ts';
import { startAdmin } from '../start-admin.ts';

const PATH = '/api/v1/events';

test('events are server-sent events that nobody stores or collects', async (t) => {
  const { address, control } = await startAdmin(t);
  const reader = await EventReader.open(address + PATH);
  t.after(() => reader.close());
  assert.equal(reader.status, 200);
  assert.equal(reader.headers['content-type'], 'text/event-stream');
  assert.equal(reader.headers['cache-control'], 'no-store');
  assert.equal(reader.headers['x-accel-buffering'], 'no');
  control.events.publish({ event: 'state', state: 'ready' });
  const { id } = await reader.heard(({ event, data }) => event === 'state' && data.state === 'ready');
  reader.close();
  await eventually('nobody listens', () => control.events.listeners === 0, 30_000);
  control.events.publish({ event: 'store', up: false });
  const again = await EventReader.open(address + PATH, { 'Last-Event-ID': id });
  t.after(() => again.close());
  await again.heard(({ event }) => event === 'store');
  const recent = await EventReader.open(`${address + PATH}?recent=1`);
  t.after(() => recent.close());
  await recent.heard(({ event }) => event === 'store');
  assert.equal(recent.events.length, 1);
});

test('HEAD has the head alone, and does not listen; what is asked wrongly is 400', async (t) => {
  const { address, control } = await startAdmin(t);
  const head = await call(address, 'HEAD', PATH);
  assert.deepEqual([head.status, head.headers['content-type'], head.text], [200, 'text/event-stream', '']);
  assert.equal(control.events.listeners, 0);
  for (const query of ['recent=x', 'recent=513', 'recent=-1', 'since=1'])
    assert.equal((await call(address, 'GET', `${PATH}?${query}`)).status, 400, query);
});

test('one listener too many is 503 with Retry-After, and so is a limpet that stops; a stop ends the streams', async (t) => {
  const { address, control, server } = await startAdmin(t);
  const readers: EventReader[] = [];
  t.after(() => {
    for (const reader of readers) reader.close();
  });
  while (control.events.full === null) readers.push(await EventReader.open(address + PATH));
  assert.equal(readers.length, 64);
  const refused = await call(address, 'GET', PATH);
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '5']);
  assert.match(String(refused.json().detail), /listen already/);
  control.events.close();
  for (const reader of readers) await eventually('the end', () => reader.ended, 30_000);
  assert.ok(readers.every(({ ended }) => ended === 'whole'));
  assert.match(String((await call(address, 'GET', PATH)).json().detail), /stopping/);
  await server.close(10_000);
});

test('a reader that does not read is cut off instead of being stored for (62)', async (t) => {
  const { address, control } = await startAdmin(t);
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.pause();
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  await eventually('it listens', () => control.events.listeners === 1, 30_000);
  const reason = 'x'.repeat(10_000);
  await eventually(
    'it is dropped',
    () => {
      for (let i = 0; i < 20; i++)
        control.events.publish({ event: 'health', pool: 'shop', backend: 'a', to: 'down', reason });
      return control.events.listeners === 0;
    },
    30_000,
  );
});
