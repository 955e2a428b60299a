import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { claims } from '../../src/http1/claims.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

/** Those that limpet writes itself. */
const OWN = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'];
const NAMES = [
  ...['Port', 'Prefix', 'Ssl', 'Scheme', 'Server', 'Uri', 'User', 'Client-Cert', 'Anything'].map(
    (end) => `X-Forwarded-${end}`,
  ),
  ...['URL', 'Host', 'For', 'Proto', 'Method'].map((end) => `X-Original-${end}`),
  ...claims.prefixes.map((prefix) => `${prefix.replace(/-$/, '')}-Subject`),
  ...claims.names,
];
const VALUE = 'told-by-a-stranger';

describe('F2: what a client claims of how or from whom its request came', () => {
  let backend: RawBackend;
  let limpet: LimpetProcess;
  let trusting: LimpetProcess;

  before(async () => {
    backend = await RawBackend.start(({ text, socket }) => {
      const whole = /\r\ntransfer-encoding/i.test(text)
        ? text.slice(text.indexOf('\r\n0\r\n')).endsWith('\r\n\r\n')
        : text.endsWith('\r\n\r\n');
      if (whole) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    });
    const yaml = [
      'workers: 1',
      'listeners: [{ bind: "127.0.0.1:0", h2c: true, limits: { headers: 1000, headerBytes: 64KiB } }]',
      `pools: { p: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] } }`,
    ].join('\n');
    limpet = await startLimpetProcess(yaml);
    trusting = await startLimpetProcess(`${yaml}\ntrustedProxies: [127.0.0.1/32]`);
  });
  after(async () => {
    await limpet?.stop();
    await trusting?.stop();
    await backend?.stop();
  });

  /** What the backend has got of it, in lower case. */
  async function sent(port: number, request: string): Promise<string> {
    backend.connections.length = 0;
    const client = await RawClient.open(port);
    client.send(request);
    assert.match(await client.until(isWhole), /^HTTP\/1\.1 200 /);
    client.close();
    return backend.text.toLowerCase();
  }

  const get = (names: readonly string[]): string =>
    `GET / HTTP/1.1\r\nHost: claims\r\nX-App: kept\r\n${names.map((name) => `${name}: ${VALUE}\r\n`).join('')}\r\n`;

  /** Names of the lines in which the stranger's word has come through. */
  function through(text: string): string[] {
    return [...text.matchAll(/^([^\r\n:]+): *told-by-a-stranger\r$/gm)].map(([, name]) => name!);
  }

  test('F2: of nobody in particular nothing reaches the backend, however it is spelt', async () => {
    const upper = NAMES.map((name) => name.toUpperCase());
    const underscores = NAMES.map((name) => name.replaceAll('-', '_'));
    const mixed = NAMES.map((name) => name.replace('-', '_'));
    for (const names of [NAMES, upper, underscores, mixed, OWN]) {
      const text = await sent(limpet.port, get(names));
      assert.deepEqual(through(text), []);
      assert.match(text, /\r\nx-app: kept\r\n/);
    }
  });

  test('F2: over HTTP/2 the same', async () => {
    backend.connections.length = 0;
    const session = connect(limpet.url);
    const fields = Object.fromEntries(NAMES.map((name) => [name.toLowerCase(), VALUE]));
    const stream = session.request({ ':path': '/', 'x-app': 'kept', ...fields });
    stream.resume().end();
    await once(stream, 'close');
    session.destroy();
    assert.deepEqual(through(backend.text.toLowerCase()), []);
    assert.match(backend.text, /\r\nx-app: kept\r\n/);
  });

  test('F2: nor in a trailer', async () => {
    const trailers = [...NAMES, ...OWN].map((name) => `${name}: ${VALUE}\r\n`).join('');
    const head = 'POST / HTTP/1.1\r\nHost: claims\r\nTransfer-Encoding: chunked\r\n\r\n';
    const text = await sent(limpet.port, `${head}2\r\nok\r\n0\r\nX-App: kept\r\n${trailers}\r\n`);
    assert.deepEqual(through(text), []);
    assert.match(text, /\r\nx-app: kept\r\n/);
  });

  test('F2: of a trusted proxy they pass', async () => {
    const text = await sent(trusting.port, get(NAMES));
    assert.deepEqual(through(text).sort(), NAMES.map((name) => name.toLowerCase()).sort());
  });
});
