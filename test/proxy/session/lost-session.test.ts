import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../../support/admin.ts';
import { type Answered, ask } from '../../support/ask.ts';
import { eventually } from '../../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../../support/limpet.ts';

/** Requests of others that are under way. */
const OTHERS = 12;

/** A server of which a request for /poison ends the whole session, once all the others are under way on it. */
class PoisonedServer {
  readonly #id: string;
  readonly #server = createServer();
  readonly #sessions = new Set<Http2Session>();
  /** It holds what it is asked, and ends its sessions when it is poisoned. */
  holds = false;
  ended = 0;

  constructor(id: string) {
    this.#id = id;
    this.#server.on('session', (session) => {
      let under = 0;
      let poisoned = false;
      this.#sessions.add(session);
      session.on('error', () => {});
      session.once('close', () => this.#sessions.delete(session));
      session.on('stream', (stream, headers) => {
        stream.on('error', () => {});
        if (!this.holds) return this.#answer(stream);
        under++;
        poisoned ||= headers[':path'] === '/poison';
        if (!poisoned || under <= OTHERS) return;
        this.ended++;
        session.destroy();
      });
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    for (const session of this.#sessions) session.destroy();
  }

  #answer(stream: ServerHttp2Stream): void {
    stream.respond({ ':status': 200, 'x-backend': this.#id });
    stream.end();
  }
}

describe('requests that end with their HTTP/2 session', () => {
  const a = new PoisonedServer('a');
  const b = new PoisonedServer('b');
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'pools:',
        '  p:',
        '    http2: true',
        `    backends: [{ id: a, url: "${await a.start()}", replicas: [b] }, { id: b, url: "${await b.start()}", state: maintenance }]`,
        '    affinity: [{ by: header, name: x-key }]',
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    for (const server of [a, b]) server.stop();
  });

  const get = (key: number, path = '/'): Promise<Answered> =>
    ask(`${limpet.url}${path}`, { headers: { 'x-key': String(key) } });

  test('H2: one request that a server ends its connection for does not speak with the voices of all that were on it', async () => {
    for (let key = 0; key <= OTHERS; key++) assert.equal((await get(key)).backend, 'a');
    await admin.patch('p', 'b', { state: 'ready' });
    a.holds = true;
    const others = Array.from({ length: OTHERS }, (_, key) => get(key));
    await eventually('all to be on their way', async () => (await admin.backend('p', 'a')).activeRequests === OTHERS);
    await Promise.all([get(OTHERS, '/poison'), ...others]);
    // Sent again after the first, as on a connection that had served before.
    assert.equal(a.ended, 2);
    const { health, lastError } = await admin.backend('p', 'a');
    assert.deepEqual([health, lastError], ['unknown', 'BACKEND_RESET']);
  });
});
