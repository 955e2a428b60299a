import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { after, before, suite, test } from 'node:test';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';

const MS = 30_000;
/** Well over timeouts.body. */
const SILENCE_MS = 3_000;

const silence = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SILENCE_MS));

suite('a client that is silent in the middle of its request body', () => {
  // Sends back what comes as it comes, from the first byte on; at /late nothing before the end.
  const backend = new HttpBackend('a', (request, response) => {
    request.on('error', () => {});
    if (request.url?.endsWith('/late')) {
      request.resume();
      request.on('end', () => response.end('late'));
      return;
    }
    response.writeHead(200);
    response.flushHeaders();
    request.pipe(response);
  });
  let limpet: LimpetProcess;
  let session: ClientHttp2Session;

  before(async () => {
    await backend.start();
    limpet = await startLimpetProcess(`workers: 2
listeners: [{ bind: "127.0.0.1:0", h2c: true, timeouts: { body: 1500ms } }]
log: { access: false }
routes: [{ match: { path: /short }, pool: short }, { pool: long }]
pools:
  long: { affinity: [], backends: [{ id: a, url: "${backend.url}" }], timeouts: { tunnel: 60s, response: 20s } }
  short: { affinity: [], backends: [{ id: a, url: "${backend.url}" }], timeouts: { tunnel: 1500ms, response: 20s } }
`);
    session = connect(limpet.url);
    session.on('error', () => {});
  });

  after(async () => {
    session?.destroy();
    await limpet?.stop();
    await backend.stop();
  });

  const chunked = async (path: string, first = '2\r\nhi\r\n'): Promise<RawClient> => {
    const client = await RawClient.open(limpet.port);
    client.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${first}`);
    return client;
  };

  /** A stream, the text that has come on it so far, and how it closed. */
  const stream = (path: string, fields = {}) => {
    const seen = { text: '', status: 0, aborted: false };
    const request: ClientHttp2Stream = session.request({ ':method': 'POST', ':path': path, ...fields });
    request.setEncoding('utf8');
    request.on('response', (head) => {
      seen.status = head[':status'] ?? 0;
    });
    request.on('data', (text: string) => {
      seen.text += text;
    });
    request.on('error', () => {
      seen.aborted = true;
    });
    const until = async (test: () => boolean): Promise<void> => {
      const signal = AbortSignal.timeout(MS);
      while (!test() && !request.closed)
        await Promise.race([once(request, 'data', { signal }), once(request, 'close')]);
    };
    const closed = new Promise<void>((resolve) => request.on('close', () => resolve()));
    return { request, seen, until, closed };
  };

  test('HTTP/1.1: has timeouts.tunnel when the response has begun and the body is chunked', async () => {
    const client = await chunked('/');
    await client.until((text) => text.includes('hi'), MS);
    await silence();
    client.send('5\r\nagain\r\n');
    await client.until((text) => text.includes('again'), MS);
    await silence();
    client.send('0\r\n\r\n');
    await client.until((text) => text.endsWith('0\r\n\r\n'), MS);
    assert.match(client.text, /^HTTP\/1\.1 200 /);
    client.close();
  });

  test('HTTP/2: the same', async () => {
    const { request, seen, until, closed } = stream('/');
    request.write('hi');
    await until(() => seen.text === 'hi');
    await silence();
    request.write('again');
    await until(() => seen.text === 'hiagain');
    await silence();
    request.end();
    await closed;
    assert.deepEqual(seen, { text: 'hiagain', status: 200, aborted: false });
  });

  test('is cut after timeouts.tunnel', async () => {
    const client = await chunked('/short');
    await client.end(MS);
    assert.match(client.text, /^HTTP\/1\.1 200 .*hi/s);
    assert.doesNotMatch(client.text, /0\r\n\r\n$/);
    const { request, seen, closed } = stream('/short');
    request.write('hi');
    await closed;
    assert.deepEqual(seen, { text: 'hi', status: 200, aborted: true });
  });

  test('has timeouts.body before the response begins: 408', async () => {
    const client = await chunked('/late');
    await client.end(MS);
    assert.match(client.text, /^HTTP\/1\.1 408 /);
    const { request, seen, closed } = stream('/late');
    request.write('hi');
    await closed;
    assert.equal(seen.status, 408);
  });

  test('has timeouts.body where it has said how long the body is', async () => {
    const client = await RawClient.open(limpet.port);
    client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhi');
    await client.end(MS);
    assert.match(client.text, /^HTTP\/1\.1 200 .*hi/s);
    const { request, seen, closed } = stream('/', { 'content-length': '10' });
    request.write('hi');
    await closed;
    assert.deepEqual(seen, { text: 'hi', status: 200, aborted: true });
  });
});
