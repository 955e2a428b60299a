import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { ask } from '../support/ask.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { Load, type LoadAnswer } from '../support/load.ts';
import { rss } from '../support/rss.ts';
import { WebSocketBackend } from '../support/websocket-backend.ts';
import { sendInTurn, WebSocketStream } from '../support/websocket-stream.ts';

const WEBSOCKETS = 200;
const RELOADS = 50;
/** Reloads until memory is looked at. */
const WARM_UP = 15;
/** In this one a backend goes and another comes. */
const EXCHANGE = 25;
/** A small heap, so that what is not used any more is collected soon and does not look like growth. */
const HEAP = '--max-old-space-size=48 --max-semi-space-size=1';
/** What memory may grow by from the warm-up to the end, of a process with traffic. */
const GROWTH_BYTES = 16 * 1024 * 1024;

async function backends(t: TestContext, ...ids: string[]): Promise<[WebSocketBackend[], WebSocketStream[]]> {
  const servers: WebSocketStream[] = [];
  const all = await Promise.all(
    ids.map((id) =>
      new WebSocketBackend(id, (socket, request) => {
        servers.push(new WebSocketStream(socket, -Number(request.url!.split('/').at(-1))));
      }).start(),
    ),
  );
  t.after(() => Promise.all(all.map((backend) => backend.stop())));
  return [all, servers];
}

test(`44: ${RELOADS} reloads under load with ${WEBSOCKETS} WebSockets of a pool that stays: nothing fails, nothing drops, memory stays`, async (t) => {
  const [[a, b, c, d, e], servers] = await backends(t, 'a', 'b', 'c', 'd', 'e');
  const gone = `{ id: d, url: "${d!.url}" }`;
  const limpet = await startLimpetProcess(
    `workers: 2
log: { access: false }
routes: [{ match: { path: /ws }, pool: live }, { pool: shop }]
pools:
  live: { backends: [{ id: a, url: "${a!.url}" }, { id: b, url: "${b!.url}" }] }
  shop: { backends: [{ id: c, url: "${c!.url}" }, ${gone}], timeouts: { idle: 59s }, affinity: [{ by: cookie, name: shop }] }
`,
    { env: { NODE_OPTIONS: HEAP } },
  );
  t.after(limpet.stop);
  const file = new ConfigFile(limpet);
  const clients = Array.from({ length: WEBSOCKETS }, (_, i) => {
    return new WebSocketStream(new WebSocket(`ws://127.0.0.1:${limpet.port}/ws/${i + 1}`), i + 1);
  });
  const all = (): WebSocketStream[] => [...clients, ...servers];
  t.after(() => {
    for (const { socket } of clients) socket.terminate();
  });
  await eventually('all to be open', () => servers.length === WEBSOCKETS, 30_000);
  t.after(sendInTurn(all(), 300));
  const failed: LoadAnswer[] = [];
  const load = new Load({
    url: limpet.url,
    clients: 100,
    rate: 300,
    next: (_client, nth) =>
      nth % 4 === 3 ? { method: 'POST', body: Buffer.alloc(2_000) } : { method: 'GET', body: null },
    onAnswer: (answer) => {
      if (answer.status !== 200 || answer.error !== '') failed.push(answer);
    },
  });
  t.after(() => {
    void load.stop();
    load.close();
  });
  load.start();

  const memory: number[] = [];
  for (let i = 1; i <= RELOADS; i++) {
    if (i === EXCHANGE) file.replace(gone, `{ id: e, url: "${e!.url}" }`);
    // Every one changes the pool that the load goes through.
    file.replace(/idle: \d+s/, `idle: ${60 + i}s`);
    const changed = await file.reload(i % 2 === 0 ? 'signal' : 'api');
    assert.ok(changed.includes('pools.shop.timeouts'), changed.join());
    assert.ok(!changed.some((path) => path.startsWith('pools.live')), changed.join());
    // Requests and messages in every model.
    const { total } = load;
    const messages = all().reduce((sum, { received }) => sum + received, 0);
    const moves = (): boolean =>
      load.total >= total + 60 && all().reduce((sum, { received }) => sum + received, 0) > messages;
    await eventually('load', moves, 30_000);
    assert.deepEqual(failed, [], `after reload ${i}`);
    memory.push(rss(limpet.process.pid!));
  }
  await load.stop();

  const seen = new Set<string>();
  await eventually('the backend that came', async () => {
    const { status, backend } = await ask(limpet.url);
    assert.equal(status, 200);
    seen.add(backend);
    return seen.has('e') && seen.has('c');
  });
  assert.ok(!seen.has('d'), 'the one that went gets no new session');
  const received = clients.map((client) => client.received);
  await eventually('more messages', () => clients.every((client, i) => client.received > received[i]!), 30_000);
  for (const stream of all()) {
    assert.equal(stream.problem, '');
    assert.equal(stream.code, 0, 'still open');
  }
  assert.deepEqual(failed, []);
  const mebibytes = memory.map((bytes) => Math.round(bytes / 1024 / 1024));
  t.diagnostic(`resident memory after each reload, MiB: ${mebibytes.join(' ')}`);
  const least = (from: number, to: number): number => Math.min(...memory.slice(from, to));
  assert.ok(least(-10, RELOADS) < least(WARM_UP, WARM_UP + 10) + GROWTH_BYTES, mebibytes.join(' '));
  assert.ok(!limpet.log.some(({ level }) => level === 'error'), JSON.stringify(limpet.log.slice(-5)));
});

test('44, 46: a listener that a reload removes closes its WebSockets with 1001, those of another go on', async (t) => {
  const [[a], servers] = await backends(t, 'a');
  const two = 'listeners: [{ bind: "127.0.0.1:0" }, { bind: "127.0.0.2:0" }]';
  const limpet = await startLimpetProcess(
    `${two}\nworkers: 2\nshutdown: { grace: 10s }\npools: { p: { backends: [{ id: a, url: "${a!.url}" }] } }\n`,
  );
  t.after(limpet.stop);
  const file = new ConfigFile(limpet);
  const [stays, goes] = await Promise.all(
    limpet.ports.map(async (port, i) => {
      const socket = new WebSocket(`ws://127.0.0.${i + 1}:${port}/${i + 1}`);
      await once(socket, 'open');
      return new WebSocketStream(socket, i + 1);
    }),
  );
  t.after(() => stays!.socket.terminate());
  t.after(() => goes!.socket.terminate());
  await eventually('both', () => servers.length === 2);
  t.after(sendInTurn([stays!, goes!, ...servers], 100));
  const idle = new WebSocket(`ws://127.0.0.2:${limpet.ports[1]}/3`);
  t.after(() => idle.terminate());
  await once(idle, 'open');

  file.replace(two, 'listeners: [{ bind: "127.0.0.1:0" }]');
  await file.reload('api');
  const [code, reason] = await once(idle, 'close');
  assert.deepEqual([code, String(reason)], [1001, 'going away']);
  await eventually(
    'its WebSockets to end',
    () => goes!.code !== 0 && servers.filter((one) => one.code !== 0).length === 2,
    30_000,
  );
  assert.deepEqual([goes!.code, goes!.problem], [1001, '']);
  assert.deepEqual(servers.map((one) => one.code).sort(), [0, 1001, 1001]);
  await assert.rejects(ask(`http://127.0.0.2:${limpet.ports[1]}`), /ECONNREFUSED/);
  const { received } = stays!;
  await eventually('messages', () => stays!.received > received + 3, 30_000);
  assert.deepEqual([stays!.code, stays!.problem], [0, '']);
  assert.equal((await ask(limpet.url)).status, 200);
});
