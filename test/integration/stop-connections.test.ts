import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, type TestContext, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { Certificates } from '../support/certificates.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { KeptClients } from '../support/kept-clients.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { LONG } from '../support/long.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const [TIMES, CLIENTS, RATE] = LONG ? [50, 100, 2_000] : [2, 40, 300];
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx=1';

describe('connections at a stop', { timeout: 1_800_000 }, () => {
  const backend = new HttpBackend('a');
  const held: ServerResponse[] = [];
  const made = new Certificates();
  before(() => {
    made.make('first', { names: ['first.example'] });
    return backend.start();
  });
  beforeEach(() => {
    held.length = 0;
    backend.answer = echo;
  });
  after(() => {
    made.remove();
    return backend.stop();
  });

  const yaml = (shutdown: string, more = ''): string =>
    `${more}workers: ${LONG ? 2 : 1}\nlog: { access: false }\nshutdown: { ${shutdown} }\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`;
  const start = async (t: TestContext, text: string, args: string[] = []): Promise<LimpetProcess> => {
    const limpet = await startLimpetProcess(text, { args });
    t.after(limpet.stop);
    return limpet;
  };
  const open = async (t: TestContext, port: number): Promise<RawClient> => {
    const client = await RawClient.open(port);
    t.after(() => client.close());
    return client;
  };
  const answer = async (client: RawClient, request: string): Promise<string> => {
    client.text = '';
    client.send(request);
    return client.until(isWhole);
  };
  const isLast = (text: string): boolean => /^connection: close\r/im.test(text);
  /** Settles when the worker has begun to stop. */
  const stopping = async (t: TestContext, limpet: LimpetProcess): Promise<void> => {
    const client = await open(t, limpet.port);
    await answer(client, GET);
    limpet.process.kill('SIGTERM');
    await eventually('an answer that is the last', async () => isLast(await answer(client, GET)));
  };

  for (const request of [GET, POST]) {
    test(`L11: an idle connection has shutdown.idle for a next request, whose answer says that it is the last: ${request.slice(0, 4)}`, async (t) => {
      const limpet = await start(t, yaml('grace: 1m, idle: 20s'));
      const client = await open(t, limpet.port);
      await answer(client, GET);
      const exited = once(limpet.process, 'exit');
      await stopping(t, limpet);
      assert.equal(client.ended, false);
      const text = await answer(client, request);
      assert.match(text, /^HTTP\/1\.1 200 /);
      assert.ok(isLast(text));
      await client.end();
      assert.equal(client.error, null);
      assert.deepEqual(await exited, [0, null]);
    });
  }

  test('L11: connections that the system has ready when the stop begins are accepted and served', async (t) => {
    const limpet = await start(t, yaml('grace: 1m, idle: 3s'));
    await answer(await open(t, limpet.port), GET);
    limpet.process.kill('SIGSTOP');
    const clients = await Promise.all(Array.from({ length: 100 }, () => open(t, limpet.port)));
    for (const [at, client] of clients.entries()) client.send(at % 2 === 0 ? GET : POST);
    const exited = once(limpet.process, 'exit');
    limpet.process.kill('SIGTERM');
    limpet.process.kill('SIGCONT');
    for (const client of clients) {
      await client.end(20_000);
      assert.equal(client.error, null);
      assert.match(client.text, /^HTTP\/1\.1 200 /);
    }
    assert.deepEqual(await exited, [0, null]);
  });

  test('L11: it ends after shutdown.idle, and a request that crosses its end is counted and said', async (t) => {
    const limpet = await start(t, yaml('grace: 1m, idle: 500ms'));
    const idle = await open(t, limpet.port);
    await answer(idle, GET);
    const waiting = await open(t, limpet.port);
    backend.answer = (_request, response) => held.push(response);
    waiting.send(GET);
    await eventually('the request that is under way', () => held.length === 1);
    const began = performance.now();
    limpet.process.kill('SIGTERM');
    await idle.end();
    const took = performance.now() - began;
    assert.ok(took >= 500 && took < 30_000, `${took}`);
    idle.send(POST);
    await limpet.logged((line) => /idle connection had just been ended/.test(String(line.msg)));
    const crossings = () => new Admin(limpet.admin).metric('limpet_stop_crossings_total');
    await eventually('the metric', async () => (await crossings()) === 1);
    held[0]!.end('ok');
    assert.match(await waiting.end(), /ok$/);
  });

  test('L11: a response that began before the stop said nothing of it: its connection has the time as well', async (t) => {
    const limpet = await start(t, yaml('grace: 1m, idle: 20s'));
    const client = await open(t, limpet.port);
    backend.answer = (request, response, self) => {
      if (request.url !== '/half') return echo(request, response, self);
      response.writeHead(200, { 'Content-Length': 8 }).write('half');
      held.push(response);
    };
    client.send('GET /half HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.endsWith('half'));
    await stopping(t, limpet);
    held[0]!.end('half');
    await client.until((text) => text.endsWith('halfhalf'));
    const text = await answer(client, POST);
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.ok(isLast(text));
  });

  const before1 = (name: string): string =>
    ({
      TLS: `tls: { certificates: [{ cert: "${made.path('first.pem')}", key: "${made.path('first.key')}" }] }`,
      PROXY: 'proxyProtocol: any',
      h2c: 'h2c: true',
      plain: 'h2c: false',
    })[name]!;
  for (const name of ['TLS', 'PROXY', 'h2c', 'plain']) {
    test(`L1: a silent connection on which HTTP has not begun closes after shutdown.idle: ${name}, at a stop`, async (t) => {
      const listeners = `listeners: [{ bind: "127.0.0.1:0", ${before1(name)} }]\ntrustedProxies: [127.0.0.1]\n`;
      const limpet = await start(t, yaml('grace: 40s', listeners));
      const client = await open(t, limpet.port);
      await eventually('it to be accepted', async () => (await new Admin(limpet.admin).connections()) === 1);
      const exited = once(limpet.process, 'exit');
      const began = performance.now();
      limpet.process.kill('SIGTERM');
      await client.end();
      client.close();
      assert.deepEqual(await exited, [0, null]);
      const took = performance.now() - began;
      assert.ok(took >= 1_000 && took < 30_000, `${took}`);
    });
  }

  test('L1: the same at a listener that a reload removes', async (t) => {
    const names = ['TLS', 'PROXY', 'h2c', 'plain'];
    const ports = await Promise.all(names.map(() => freePort()));
    const listeners = names.map((name, at) => `{ bind: "127.0.0.1:${ports[at]}", ${before1(name)} }`);
    const head = 'trustedProxies: [127.0.0.1]\nadmin: { bind: "127.0.0.1:0" }\n';
    const limpet = await start(
      t,
      yaml('grace: 40s', `${head}listeners: [{ bind: "127.0.0.1:0" }, ${listeners.join(', ')}]\n`),
    );
    const clients = await Promise.all(ports.map((port) => open(t, port)));
    await eventually('all to be accepted', async () => (await new Admin(limpet.admin).connections()) === 4);
    const file = new ConfigFile(limpet);
    file.replace(/^listeners: .*$/m, 'listeners: [{ bind: "127.0.0.1:0" }]');
    await file.reload('signal');
    const began = performance.now();
    await Promise.all(clients.map((client) => client.end()));
    const took = performance.now() - began;
    assert.ok(took >= 500 && took < 30_000, `${took}`);
  });

  test('L2: open event streams end spread over the first part of the grace, others have it whole', async (t) => {
    const limpet = await start(t, yaml('grace: 15s'));
    backend.answer = (request, response) => {
      request.resume();
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('data: 1\n\n');
      held.push(response);
    };
    const streams = await Promise.all(Array.from({ length: 12 }, () => open(t, limpet.port)));
    for (const stream of streams) stream.send(GET);
    const posted = await open(t, limpet.port);
    posted.send(POST);
    await Promise.all([...streams, posted].map((stream) => stream.until((text) => text.includes('data: 1'))));
    const began = performance.now();
    limpet.process.kill('SIGTERM');
    const ended = await Promise.all(
      streams.map(async (stream) => {
        await stream.end();
        return performance.now() - began;
      }),
    );
    assert.equal(posted.ended, false, 'a stream that nobody can ask for again goes on');
    for (const { text } of streams) assert.doesNotMatch(text, /\r\n0\r\n\r\n$/, 'it does not look whole');
    const [first, last] = [Math.min(...ended), Math.max(...ended)];
    assert.ok(last < 14_900 && last - first > 1_000, `from ${first} to ${last}`);
    for (const response of held) response.end();
    assert.match(await posted.end(), /\r\n0\r\n\r\n$/);
  });

  test(`L11: ${TIMES} stops under ${RATE} requests a second on kept connections: nothing is reset, nothing fails`, async (t) => {
    let [answers, told, endedIdle] = [0, 0, 0];
    for (let n = 0; n < TIMES; n++) {
      const limpet = await start(t, yaml('grace: 20s'));
      const clients = new KeptClients({ port: () => limpet.port, clients: CLIENTS, rate: RATE, reconnects: false });
      await eventually('traffic', () => clients.answers > CLIENTS * 2);
      const exited = once(limpet.process, 'exit');
      limpet.process.kill('SIGTERM');
      await clients.ended();
      assert.deepEqual(await exited, [0, null]);
      assert.deepEqual(clients.troubles, []);
      answers += clients.answers;
      told += clients.told;
      endedIdle += clients.endedIdle;
    }
    t.diagnostic(`${answers} answers, ${told} said Connection: close, ${endedIdle} ended idle`);
  });

  test(`L11: ${TIMES} take-overs under ${RATE} requests a second: nothing is reset, nothing fails`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'limpet-stop-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const sessions = `sessions: { snapshot: "${join(directory, 'rows')}" }\n`;
    let limpet = await start(t, yaml('grace: 20s', sessions));
    const { port } = limpet;
    const text = yaml('grace: 20s', `${sessions}listeners: [{ bind: "127.0.0.1:${port}" }]\n`);
    const clients = new KeptClients({ port: () => port, clients: CLIENTS, rate: RATE, reconnects: true });
    t.after(() => clients.stop());
    for (let n = 0; n < TIMES; n++) {
      const { answers } = clients;
      await eventually('traffic', () => clients.answers > answers + CLIENTS * 2);
      const exited = once(limpet.process, 'exit');
      limpet = await start(t, text, ['--take-over']);
      assert.deepEqual(await exited, [0, null]);
    }
    await clients.stop();
    t.diagnostic(`${clients.answers} answers, ${clients.told} said Connection: close, ${clients.endedIdle} ended idle`);
    assert.deepEqual(clients.troubles, []);
  });
});
