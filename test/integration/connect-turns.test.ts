import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';

/** Connects of one worker to one backend at once. */
const AT_ONCE = 128;
const MS = 60_000;

/**
 * A TLS server that shakes hands with the first so many connections only: to whoever connects after that, it does not
 * get to an end.
 */
class Reluctant {
  readonly opened: Socket[] = [];
  readonly requests: { readonly request: IncomingMessage; readonly response: ServerResponse }[] = [];
  willing = 1;
  readonly #https: HttpsServer;
  readonly #tcp: Server;

  constructor(certificates: Certificates) {
    const { certPem, keyPem } = certificates.make('reluctant', { names: ['127.0.0.1'] });
    this.#https = createHttpsServer({ cert: certPem, key: keyPem, keepAliveTimeout: 60_000 }, (request, response) => {
      request.resume();
      this.requests.push({ request, response });
    });
    this.#https.on('tlsClientError', () => {});
    this.#tcp = createServer((socket) => {
      socket.on('error', () => {});
      this.opened.push(socket);
      if (this.willing > 0) {
        this.willing--;
        this.#https.emit('connection', socket);
      } else socket.resume();
    });
  }

  /** Those that are still open. */
  get open(): number {
    return this.opened.filter(({ destroyed, readableEnded }) => !destroyed && !readableEnded).length;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#tcp.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    this.#tcp.listen(0, '127.0.0.1');
    await once(this.#tcp, 'listening');
  }

  stop(): void {
    for (const socket of this.opened) socket.destroy();
    this.#tcp.close();
  }
}

suite('a burst of requests for one backend', () => {
  const certificates = new Certificates();
  const other = new HttpBackend('b');
  let a: Reluctant;
  let limpet: LimpetProcess;

  before(() => other.start());

  after(async () => {
    await other.stop();
    certificates.remove();
  });

  beforeEach(async () => {
    a = new Reluctant(certificates);
    await a.start();
  });

  afterEach(async () => {
    a.stop();
    await limpet?.stop();
  });

  const start = async (more: string): Promise<void> => {
    limpet = await startLimpetProcess(`workers: 1
log: { access: false }
pools:
  app:
    affinity: []
    balance: round-robin
    backends: [{ id: a, url: "${a.url}" }, { id: b, url: "${other.url}", backup: true }]
    tls: { verify: false }
    health: { passive: null }
${more}`);
  };

  /** So many requests at once; those after the first come when that one has a connection. */
  const burst = async (count: number, method = 'POST'): Promise<Promise<Answered>[]> => {
    const first = ask(limpet.url, { method });
    await eventually('the first request to come through', () => a.requests.length === 1, MS);
    const rest = Array.from({ length: count }, () => ask(limpet.url, { method }));
    return [first, ...rest];
  };

  test('opens so many connections at once and no more; those that wait go out on one that comes free, in order', async () => {
    await start('    timeouts: { connect: 60s, queue: 60s }\n    retry: { budget: 100% }');
    const answers = await burst(AT_ONCE + 20);
    await eventually('as many connects as there may be', () => a.open >= 1 + AT_ONCE, MS);
    for (let i = 0; i <= 20; i++) {
      await eventually('the next request', () => a.requests.length === i + 1, MS);
      a.requests[i]!.response.end(`${i}`);
    }
    // Nobody waits any more, and the connection is still of use.
    const last = ask(limpet.url, { method: 'POST' });
    await eventually('one more request', () => a.requests.length === 22, MS);
    a.requests[21]!.response.end('last');
    assert.equal((await last).body, 'last');
    assert.equal(a.open, 1 + AT_ONCE);
    a.stop();
    const all = await Promise.all(answers);
    assert.equal(all.filter(({ status }) => status === 200).length, all.length);
    // What was under way when the server went is not lost either: nothing had been sent (behaviour 27).
    assert.equal(all.filter(({ backend }) => backend === 'b').length, AT_ONCE);
  });

  test('a client that leaves gives its place up', async () => {
    await start('    timeouts: { connect: 60s, queue: 60s }\n    retry: { budget: 100% }');
    const [first, ...rest] = await burst(AT_ONCE);
    await eventually('as many connects as there may be', () => a.open === 1 + AT_ONCE, MS);
    const leaving = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(limpet.port)));
    for (const client of leaving) client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    const admin = new Admin(limpet.admin);
    const active = async (): Promise<number> => (await admin.backend('app', 'a')).activeRequests;
    await eventually('all to be counted', async () => (await active()) === 1 + AT_ONCE + 10, MS);
    for (const client of leaving) client.socket.resetAndDestroy();
    await eventually('the ones who left to be forgotten', async () => (await active()) === 1 + AT_ONCE, MS);
    a.requests[0]!.response.end('first');
    assert.equal((await first!).body, 'first');
    // Nobody had waited: the free connection serves the next one who comes.
    const next = ask(limpet.url);
    await eventually('the next request', () => a.requests.length === 2, MS);
    a.requests[1]!.response.end('next');
    assert.equal((await next).body, 'next');
    a.stop();
    await Promise.all(rest);
  });

  test('a backend that is taken out sends those that wait elsewhere at once, of any method, and not as a retry', async () => {
    await start('    timeouts: { connect: 60s, queue: 60s }\n    retry: { attempts: 0 }');
    const answers = await burst(AT_ONCE + 50);
    await eventually('as many connects as there may be', () => a.open === 1 + AT_ONCE, MS);
    a.requests[0]!.response.end('first');
    await eventually('one of those that wait', () => a.requests.length === 2, MS);
    await new Admin(limpet.admin).patch('app', 'a', { state: 'maintenance' });
    a.requests[1]!.response.end('second');
    const all = await Promise.all(answers);
    const count = (test: (answer: Answered) => boolean): number => all.filter(test).length;
    assert.equal(
      count(({ backend }) => backend === 'b'),
      49,
    );
    // Those that were connecting have had their attempt.
    assert.equal(
      count(({ code }) => code === 'BACKEND_CONNECT'),
      AT_ONCE,
    );
  });

  test('who waits longer than timeouts.queue for its turn gets 503 QUEUE_TIMEOUT, and the backend is not blamed', async () => {
    await start('    timeouts: { connect: 60s, queue: 500ms }\n    retry: { budget: 100% }');
    const answers = await burst(AT_ONCE + 5);
    // Whichever come last.
    const late: string[] = [];
    for (const answer of answers.slice(1)) void answer.then(({ code, status }) => late.push(`${status} ${code}`));
    await eventually('five to be answered', () => late.length >= 5, MS);
    assert.deepEqual(
      late,
      Array.from({ length: 5 }, () => '503 QUEUE_TIMEOUT'),
    );
    assert.equal((await new Admin(limpet.admin).backend('app', 'a')).failures, 0);
    a.stop();
    await Promise.all(answers);
  });

  test('connects that time out are replaced by those of who waits', async () => {
    await start('    timeouts: { connect: 2s, queue: 60s }\n    retry: { budget: 100% }');
    const answers = await burst(2 * AT_ONCE + 3);
    const all = await Promise.all(answers.slice(1));
    assert.equal(all.filter(({ backend }) => backend === 'b').length, 2 * AT_ONCE + 3);
    assert.equal(a.opened.length, 1 + 2 * AT_ONCE + 3);
    a.requests[0]!.response.end();
    await answers[0];
  });
});
