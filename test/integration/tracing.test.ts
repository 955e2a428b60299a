import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { type CollectedSpan, Collector, refuseWith, takeAll } from '../support/collector.ts';
import { DeadPort } from '../support/dead-port.ts';
import { eventually } from '../support/eventually.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { WebSocketBackend } from '../support/websocket-backend.ts';

const LONG = 30_000;
const SERVER = 2;
const CLIENT = 3;
const traceId = (): string => randomBytes(16).toString('hex');
const PARENT = '00f067aa0ba902b7';
/** Sampled by no ratio but 100 %, and by each but 0 %. */
const unlikely = (): string => `${randomBytes(9).toString('hex')}${'0'.repeat(14)}`;
const likely = (): string => `${randomBytes(9).toString('hex')}${'f'.repeat(14)}`;

/** Fails now and then, as its paths say. */
function answer(request: IncomingMessage, response: ServerResponse, backend: HttpBackend): void {
  const { pathname } = new URL(request.url ?? '/', 'http://x');
  // A connection for each request: none of its ends can be a keep-alive race (behaviour 30), after which the same
  // attempt is made once more.
  response.setHeader('Connection', 'close');
  if (pathname === '/drop') return void request.socket.destroy();
  if (pathname === '/hang' || pathname === '/slow') return;
  if (pathname === '/500') return void response.writeHead(500).end();
  if (pathname === '/404') return void response.writeHead(404).end();
  if (pathname === '/half') {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => setTimeout(() => request.socket.destroy(), 20));
    return;
  }
  echo(request, response, backend);
}

interface Echo {
  readonly headers: Record<string, string>;
}
const headersOf = (body: string): Record<string, string> => (JSON.parse(body) as Echo).headers;

describe('traces', () => {
  const collector = new Collector();
  const backends = ['a', 'b'].map((id) => new HttpBackend(id, answer));
  const sockets = new WebSocketBackend('ws', (socket) => socket.on('message', (data) => socket.send(String(data))));
  let dead: DeadPort;
  let raw: RawBackend;
  let limpet: LimpetProcess;

  const config = (tracing: string, more = ''): string => {
    const [a, b] = backends;
    const pool = (name: string, list: string, rest: string): string =>
      `  ${name}: { backends: [${list}], health: { passive: null }, ${rest} }\n`;
    return `
listeners: [{ bind: "127.0.0.1:0" }]
admin: { bind: "127.0.0.1:0" }
workers: 2
tracing: ${tracing}
${more}
routes:
  - { match: { path: /api/ }, pool: plain, sticky: false }
  - { match: { path: "= /exact" }, pool: plain, sticky: false }
  - { match: { path: /slow }, pool: slow, sticky: false }
  - { match: { path: /dead }, pool: retried, sticky: false }
  - { match: { path: /ws }, pool: sockets, sticky: false }
  - { match: { path: /raw }, pool: raw, sticky: false }
  - { match: { host: shop.example }, pool: shop }
pools:
${pool('shop', `{ id: a, url: "${a!.url}" }`, 'retry: { attempts: 0 }, timeouts: { response: 30s }')}
${pool('plain', `{ id: a, url: "${a!.url}" }`, 'affinity: []')}
${pool('slow', `{ id: a, url: "${a!.url}" }`, 'affinity: [], retry: { attempts: 0 }, timeouts: { response: 300ms }')}
${pool('retried', `{ id: dead, url: "${dead.url}", weight: 100 }, { id: b, url: "${b!.url}" }`, 'affinity: [], balance: round-robin')}
${pool('sockets', `{ id: ws, url: "${sockets.url}" }`, 'affinity: []')}
${pool('raw', `{ id: raw, url: "${raw.url}" }`, 'affinity: []')}
`;
  };

  before(async () => {
    await collector.start();
    await Promise.all(backends.map((backend) => backend.start()));
    await sockets.start();
    dead = await DeadPort.open();
    raw = await RawBackend.start(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    limpet = await startLimpetProcess(config(`{ otlp: "${collector.url}", sample: 100% }`));
  });
  after(async () => {
    await limpet?.stop();
    await collector.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    await sockets.stop();
    await dead.close();
    await raw.stop();
  });
  beforeEach(() => {
    collector.answer = takeAll;
  });

  /**
   * Sends a request as a part of a trace of its own, and settles with its spans: that of the request, and those of its
   * attempts.
   */
  const traced = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const trace = traceId();
    const sent = { traceparent: `00-${trace}-${PARENT}-01`, ...headers };
    const result = await ask(limpet.url + path, { method, headers: sent }).catch((error: Error) => error);
    return { result, trace, ...(await spansOf(trace)) };
  };
  const spansOf = async (trace: string, from = collector) => {
    const server = await eventually(
      'the span of the request',
      () => from.trace(trace).find(({ kind }) => kind === SERVER),
      LONG,
    );
    const attempts = from.trace(trace).filter(({ kind }) => kind === CLIENT);
    assert.equal(attempts.length, Number(server.attributes['limpet.attempts']), 'a span for each attempt');
    for (const attempt of attempts) {
      assert.equal(attempt.parentSpanId, server.spanId);
      assert.ok(attempt.start >= server.start && attempt.end <= server.end, 'it lies within its request');
    }
    return { server, attempts };
  };
  const theOnly = (spans: readonly CollectedSpan[]): CollectedSpan => {
    assert.equal(spans.length, 1);
    return spans[0]!;
  };

  test("a request is a span of its client's trace, and the backend is told of the attempt", async () => {
    const { result, trace, server, attempts } = await traced('/api/cart;sid=secret?key=secret', {
      host: 'shop.example:8080',
      'user-agent': 'tester/1',
      tracestate: 'vendor=x,other=y',
    });
    assert.ok(!(result instanceof Error));
    const attempt = theOnly(attempts);
    const seen = headersOf(result.body);
    assert.equal(seen.traceparent, `00-${trace}-${attempt.spanId}-01`);
    assert.equal(seen.tracestate, 'vendor=x,other=y');
    assert.equal(server.name, 'GET /api/');
    assert.equal(server.parentSpanId, PARENT);
    assert.equal(server.traceState, 'vendor=x,other=y');
    assert.equal(server.failed, false);
    const { 'limpet.request_id': requestId, ...rest } = server.attributes;
    assert.equal(requestId, seen['x-request-id']);
    assert.deepEqual(rest, {
      'http.request.method': 'GET',
      'http.route': '/api/',
      'http.response.status_code': 200,
      'url.path': '/api/cart;sid=*',
      'url.scheme': 'http',
      'server.address': 'shop.example',
      'server.port': 8080,
      'client.address': '127.0.0.1',
      'user_agent.original': 'tester/1',
      'limpet.pool': 'plain',
      'limpet.backend': 'a',
      'limpet.affinity': 'none',
      'limpet.attempts': 1,
    });
    assert.equal(attempt.name, 'GET');
    assert.equal(attempt.failed, false);
    assert.deepEqual(attempt.attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'url.full': `${backends[0]!.url}/api/cart;sid=*`,
      'server.address': '127.0.0.1',
      'server.port': backends[0]!.port,
      'limpet.pool': 'plain',
      'limpet.backend': 'a',
    });
    assert.equal(server.resource['service.name'], 'limpet');
  });

  test('the session is named by its public id', async () => {
    const { result, server } = await traced('/', { host: 'shop.example' });
    assert.ok(!(result instanceof Error));
    assert.equal(server.name, 'GET /');
    assert.equal(server.attributes['limpet.session'], headersOf(result.body)['limpet-session']);
    assert.equal(server.attributes['limpet.affinity'], 'new');
    const again = await traced('/', { host: 'shop.example', cookie: result.cookie });
    assert.equal(again.server.attributes['limpet.session'], server.attributes['limpet.session']);
    assert.equal(again.server.attributes['limpet.affinity'], 'bound');
  });

  test('a retried request has a span for each attempt, and the backend is told of its own', async () => {
    const { result, trace, server, attempts } = await eventually(
      'a request that begins at the dead backend',
      async () => {
        const done = await traced('/dead');
        return done.attempts.length === 2 ? done : null;
      },
      LONG,
    );
    assert.ok(!(result instanceof Error));
    assert.equal(result.status, 200);
    const [first, second] = attempts;
    assert.equal(first!.attributes['limpet.backend'], 'dead');
    assert.equal(first!.attributes['error.type'], 'BACKEND_CONNECT');
    assert.equal(first!.attributes['http.response.status_code'], undefined);
    assert.equal(first!.failed, true);
    assert.equal(second!.attributes['limpet.backend'], 'b');
    assert.equal(second!.attributes['http.request.resend_count'], 1);
    assert.equal(second!.failed, false);
    assert.equal(headersOf(result.body).traceparent, `00-${trace}-${second!.spanId}-01`);
    assert.equal(server.failed, false);
    assert.equal(server.attributes['limpet.backend'], 'b');
  });

  test("what went wrong: answers of the backend, errors of limpet's own, a response that breaks, no route, a client that leaves", async () => {
    const shop = async (path: string) => traced(path, { host: 'shop.example' });

    const internal = await shop('/500');
    assert.equal(internal.server.attributes['error.type'], '500');
    assert.equal(internal.server.failed, true);
    assert.equal(theOnly(internal.attempts).attributes['error.type'], '500');
    // To the one who asks, any 4xx is an error; to the one who answers it is not.
    const missing = await shop('/404');
    assert.equal(missing.server.failed, false);
    assert.equal(missing.server.attributes['error.type'], undefined);
    assert.equal(theOnly(missing.attempts).failed, true);

    const dropped = await shop('/drop');
    assert.equal(dropped.server.attributes['http.response.status_code'], 502);
    assert.equal(dropped.server.attributes['error.type'], 'BACKEND_RESET');
    assert.equal(theOnly(dropped.attempts).attributes['error.type'], 'BACKEND_RESET');

    const half = await shop('/half');
    assert.ok(half.result instanceof Error);
    assert.equal(half.server.attributes['http.response.status_code'], 200);
    assert.equal(half.server.attributes['error.type'], 'BACKEND_RESET');
    assert.equal(half.server.failed, true);
    assert.equal(theOnly(half.attempts).failed, true);

    const slow = await traced('/slow');
    assert.equal(slow.server.attributes['error.type'], 'BACKEND_TIMEOUT');
    assert.equal(theOnly(slow.attempts).attributes['error.type'], 'BACKEND_TIMEOUT');

    const lost = await traced('/elsewhere', { host: 'other.example' });
    assert.equal(lost.server.name, 'GET');
    assert.equal(lost.server.attributes['error.type'], 'NO_ROUTE');
    assert.equal(lost.server.failed, false);
    assert.deepEqual(lost.attempts, []);

    const trace = traceId();
    const client = await RawClient.open(limpet.port);
    const { length } = backends[0]!.seen;
    client.send(`GET /hang HTTP/1.1\r\nHost: shop.example\r\ntraceparent: 00-${trace}-${PARENT}-01\r\n\r\n`);
    await eventually('the request', () => backends[0]!.seen.length > length, LONG);
    client.socket.resetAndDestroy();
    const left = await spansOf(trace);
    assert.equal(left.server.attributes['error.type'], 'CLIENT_GONE');
    assert.equal(left.server.failed, false);
    assert.equal(theOnly(left.attempts).attributes['error.type'], 'CLIENT_GONE');
  });

  test('methods that nobody knows do not become names of spans', async () => {
    const { server } = await traced('/exact', {}, 'PURGE');
    assert.equal(server.name, 'HTTP /exact');
    assert.equal(server.attributes['http.request.method'], '_OTHER');
    assert.equal(server.attributes['http.request.method_original'], 'PURGE');
  });

  test('a WebSocket is a span from its handshake to its end', async () => {
    const trace = traceId();
    const headers = { traceparent: `00-${trace}-${PARENT}-01` };
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}/ws`, { headers });
    await once(socket, 'open');
    socket.send('hello');
    await once(socket, 'message');
    const wait = 50;
    await new Promise((resolve) => setTimeout(resolve, wait));
    assert.deepEqual(collector.trace(trace), []);
    socket.close();
    const { server, attempts } = await spansOf(trace);
    assert.equal(server.attributes['http.response.status_code'], 101);
    assert.equal(server.failed, false);
    assert.ok(server.end - server.start >= BigInt(wait - 1) * 1_000_000n);
    assert.equal(theOnly(attempts).attributes['http.response.status_code'], 101);
  });

  /** Sends these field lines, and settles with the head that the backend got. */
  let rawRequests = 0;
  const passedOn = async (fields: string): Promise<string> => {
    const start = `GET /raw/${rawRequests++} HTTP/1.1\r\n`;
    const client = await RawClient.open(limpet.port);
    client.send(`${start}Host: x\r\n${fields}\r\n`);
    await client.until((text) => text.includes('\r\n\r\n'), LONG);
    client.close();
    const { text } = raw;
    const at = text.indexOf(start);
    return text.slice(at, text.indexOf('\r\n\r\n', at) + 2);
  };

  test('an invalid or doubled traceparent is replaced by a new trace, and its tracestate does not go on', async () => {
    const trace = traceId();
    const bad = [
      [`ff-${trace}-${PARENT}-01`],
      [`00-${trace.toUpperCase().replace(/^./, 'A')}-${PARENT}-01`],
      [`00-${'0'.repeat(32)}-${PARENT}-01`],
      ['x'],
      [`00-${trace}-${PARENT}-01`, `00-${trace}-${PARENT}-01`],
      [],
    ];
    for (const lines of bad) {
      const fields = lines.map((line) => `Traceparent: ${line}\r\n`).join('');
      const head = await passedOn(`${fields}Tracestate: vendor=x\r\n`);
      const found = [...head.matchAll(/^traceparent: (.*)\r$/gim)].map(([, value]) => value!);
      assert.equal(found.length, 1, head);
      assert.match(found[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.doesNotMatch(head, /tracestate/i);
      const fresh = found[0]!.slice(3, 35);
      assert.notEqual(fresh, trace);
      const { server, attempts } = await spansOf(fresh);
      assert.equal(server.parentSpanId, undefined);
      assert.equal(theOnly(attempts).spanId, found[0]!.slice(36, 52));
    }
  });

  test('one line is one line: in lower case, with tracestate lines as they came', async () => {
    const head = await passedOn(`TRACEPARENT: 00-${traceId()}-${PARENT}-01\r\nTraceState: a=1\r\ntracestate: b=2\r\n`);
    assert.equal(head.match(/traceparent/gi)!.length, 1);
    assert.match(head, /\r\nTraceState: a=1\r\ntracestate: b=2\r\n/);
  });

  test('nothing that clients sent in confidence is exported', async () => {
    const { result, server } = await traced('/path;jsessionid=hidden1?sid=hidden2', {
      host: 'shop.example',
      cookie: 'sid=hidden3',
      authorization: 'Bearer hidden4',
      'x-api-key': 'hidden5',
    });
    assert.ok(!(result instanceof Error));
    const value = result.cookie.split('=')[1]!;
    const all = collector.exports.map(({ body }) => body).join('\n');
    assert.ok(all.includes(server.spanId));
    assert.doesNotMatch(all, /hidden\d/);
    assert.ok(!all.includes(value) && !all.includes(value.slice(0, 22)));
  });

  test('the collector says 503 with Retry-After: it gets the spans later', async () => {
    let tries = 0;
    const { length } = collector.exports;
    collector.answer = (response) => (++tries === 1 ? refuseWith(503, '2')(response) : takeAll(response));
    const { server } = await traced('/exact');
    assert.ok(server);
    const [first, second] = collector.exports.slice(length);
    assert.ok(second!.at - first!.at >= 1_900, String(second!.at - first!.at));
  });

  test('the collector is away, or does not answer: requests are served all the same, and it gets the spans when it is back', async () => {
    const trace = traceId();
    await collector.stop();
    for (let nth = 0; nth < 20; nth++) {
      const answered = await ask(`${limpet.url}/exact`, { headers: { traceparent: `00-${trace}-${PARENT}-01` } });
      assert.equal(answered.status, 200);
    }
    await limpet.logged(({ msg }) => msg === 'spans are not taken: they wait', LONG);
    await collector.start();
    await eventually('all spans', () => collector.trace(trace).length === 40, LONG);

    const held: ServerResponse[] = [];
    collector.answer = (response) => held.push(response) > 0;
    const { length } = collector.exports;
    await ask(`${limpet.url}/exact`);
    await eventually('the export', () => collector.exports.length > length, LONG);
    assert.equal((await ask(`${limpet.url}/exact`)).status, 200);
    collector.answer = takeAll;
    for (const response of held) takeAll(response);
  });

  describe('sampling and reload', () => {
    const start = async (tracing: string, more = ''): Promise<LimpetProcess> =>
      startLimpetProcess(config(tracing, more));
    const flagsOf = async ({ url }: LimpetProcess, trace: string, flags: string): Promise<string> => {
      const headers = { traceparent: `00-${trace}-${PARENT}-${flags}` };
      const parent = headersOf((await ask(`${url}/exact`, { headers })).body).traceparent!;
      assert.equal(parent.slice(3, 35), trace);
      assert.notEqual(parent.slice(36, 52), PARENT);
      return parent.slice(53);
    };
    test('0%: nothing is exported, whatever a client that is not trusted asks for', async (t) => {
      const process = await start(`{ otlp: "${collector.url}", sample: 0% }`);
      t.after(process.stop);
      const trace = likely();
      assert.equal(await flagsOf(process, trace, '01'), '00');
      await process.stop();
      assert.deepEqual(collector.trace(trace), []);
    });

    test("a share goes by the trace id, and the client's flag does not count", async (t) => {
      const process = await start(`{ otlp: "${collector.url}", sample: 50% }`);
      t.after(process.stop);
      const [yes, no] = [likely(), unlikely()];
      assert.equal(await flagsOf(process, yes, '00'), '01');
      assert.equal(await flagsOf(process, no, '01'), '00');
      // Bit 1 says that the id is random: true whoever samples.
      assert.equal(await flagsOf(process, no, '03'), '02');
      const own: string[] = [];
      for (let nth = 0; nth < 200; nth++) own.push(headersOf((await ask(`${process.url}/exact`)).body).traceparent!);
      const sampled = own.filter((parent) => parent.endsWith('-01')).map((parent) => parent.slice(3, 35));
      // Seven standard deviations.
      assert.ok(sampled.length > 50 && sampled.length < 150, String(sampled.length));
      await process.stop();
      assert.equal(collector.trace(yes).length, 2);
      assert.equal(collector.trace(no).length, 0);
      for (const parent of own) {
        const trace = parent.slice(3, 35);
        assert.equal(collector.trace(trace).length, sampled.includes(trace) ? 2 : 0);
      }
    });

    test('a trusted proxy has decided', async (t) => {
      const process = await start(`{ otlp: "${collector.url}", sample: 50% }`, 'trustedProxies: [127.0.0.1/32]');
      t.after(process.stop);
      const [yes, no] = [likely(), unlikely()];
      assert.equal(await flagsOf(process, yes, '00'), '00');
      assert.equal(await flagsOf(process, no, '01'), '01');
      await process.stop();
      assert.equal(collector.trace(yes).length, 0);
      assert.equal(collector.trace(no).length, 2);
    });

    test('without an endpoint traceparent and tracestate go on untouched, valid or not; a reload sets, moves and removes it', async (t) => {
      const process = await start('{ otlp: null, sample: 100% }');
      t.after(process.stop);
      const untouched = async (): Promise<void> => {
        for (const traceparent of [`00-${traceId()}-${PARENT}-01`, 'ff-what-ever']) {
          const headers = { traceparent, tracestate: 'vendor=x' };
          const seen = headersOf((await ask(`${process.url}/exact`, { headers })).body);
          assert.equal(seen.traceparent, traceparent);
          assert.equal(seen.tracestate, 'vendor=x');
        }
        assert.equal(headersOf((await ask(`${process.url}/exact`)).body).traceparent, undefined);
      };
      const reload = async (tracing: string): Promise<void> => {
        const { spawnargs } = process.process;
        await writeFile(spawnargs[spawnargs.indexOf('-c') + 1]!, config(tracing));
        const response = await fetch(`${process.admin}/api/v1/reload`, { method: 'POST' });
        assert.equal(response.status, 200, await response.text());
      };
      await untouched();
      await reload(`{ otlp: "${collector.url}", sample: 100% }`);
      const first = traceId();
      assert.equal(await flagsOf(process, first, '01'), '01');
      await spansOf(first);
      const other = await new Collector().start();
      t.after(() => other.stop());
      await reload(`{ otlp: "${other.url}/v1/traces", sample: 100% }`);
      const second = traceId();
      await flagsOf(process, second, '01');
      await spansOf(second, other);
      await reload(`{ otlp: "${other.url}", sample: 0% }`);
      assert.equal(await flagsOf(process, traceId(), '01'), '00');
      await reload('{ otlp: null, sample: 100% }');
      await untouched();
    });

    test('a stop sends the last spans, and waits no longer than it should for a collector that does not answer', async (t) => {
      const process = await start(`{ otlp: "${collector.url}", sample: 100% }`);
      t.after(process.stop);
      const trace = traceId();
      await flagsOf(process, trace, '01');
      const exited = once(process.process, 'exit');
      process.process.kill('SIGTERM');
      assert.deepEqual(await exited, [0, null]);
      assert.equal(collector.trace(trace).length, 2);

      const deaf = await start(`{ otlp: "${collector.url}", sample: 100% }`);
      t.after(deaf.stop);
      collector.answer = () => false;
      const { length } = collector.exports;
      await flagsOf(deaf, traceId(), '01');
      await eventually('the export', () => collector.exports.length > length, LONG);
      const ended = once(deaf.process, 'exit');
      deaf.process.kill('SIGTERM');
      assert.deepEqual(await ended, [0, null]);
      const line = await deaf.logged(({ msg }) => msg === 'spans were dropped', LONG);
      assert.equal(line.spans, 2);
    });

    test('a collector that refuses spans: they are counted', async (t) => {
      const process = await start(`{ otlp: "${collector.url}", sample: 100% }`);
      t.after(process.stop);
      collector.answer = refuseWith(400);
      const admin = new Admin(process.admin);
      assert.equal(await admin.metric('limpet_spans_dropped_total'), 0);
      await flagsOf(process, traceId(), '01');
      await eventually('the count', async () => (await admin.metric('limpet_spans_dropped_total')) === 2, LONG);
    });
  });
});
