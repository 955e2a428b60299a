/**
 * Backends that break off at each byte of a response, and clients that leave at each byte of what they send and get;
 * over HTTP/1.1 and HTTP/2.
 */
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { readAnswers } from '../fuzz/read-answers.ts';
import { Admin } from '../support/admin.ts';
import { eventually } from '../support/eventually.ts';
import { Flag, frame, literals, PREFACE, request, Type } from '../support/http2-frames.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';

/** How many exchanges run at once. */
const AT_ONCE = 8;

let backend: RawBackend;
let limpet: LimpetProcess;
let admin: Admin;
let http2: ClientHttp2Session;

const RESPONSES: Readonly<Record<string, string>> = {
  length: 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody',
  chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4 \r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n',
  interim: 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody',
};

/** Runs `work` for each of the list, some at once. */
async function each<T>(list: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...list];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
    }),
  );
}

before(async () => {
  backend = await RawBackend.start((connection) => {
    const { text, socket } = connection;
    const asked = /^[A-Z]+ \/(\w+)\/(\d+)\/(fin|rst|stay) HTTP\/1\.1\r\n(?:.+\r\n)*\r\n(?:hello)?$/.exec(text);
    // An answer before the whole body would leave the rest of it in front of the next request.
    if (asked === null || (text.startsWith('POST') && !text.endsWith('hello'))) return;
    // The next request on this connection is read on its own.
    connection.text = '';
    const [, kind, cut, end] = asked;
    const bytes = Buffer.from(RESPONSES[kind!]!.slice(0, Number(cut)), 'latin1');
    const leave = (): void =>
      void (end === 'rst' ? socket.resetAndDestroy() : end === 'fin' ? socket.end() : undefined);
    if (bytes.length === 0) leave();
    else socket.write(bytes, leave);
  });
  limpet = await startLimpetProcess(`
listeners: [{ bind: "127.0.0.1:0", h2c: true, timeouts: { header: 5s, body: 5s } }]
workers: 1
log: { access: false }
routes:
  - { match: { host: silent.test }, pool: silent }
  - { pool: p }
pools:
  p: { backends: [{ id: a, url: "${backend.url}" }], affinity: [], retry: { attempts: 0 }, health: { passive: null } }
  silent: { backends: [{ id: a, url: "${backend.url}" }], affinity: [], retry: { attempts: 0 }, health: { passive: null }, timeouts: { response: 2s, idle: 2s } }
`);
  admin = new Admin(limpet.admin);
  http2 = connect(limpet.url);
  http2.on('error', () => {});
});

after(async () => {
  http2?.destroy();
  await limpet?.stop();
  await backend?.stop();
});

/** What became of a request over HTTP/2. */
async function overHttp2(path: string, host = 'x.test'): Promise<{ status: number; body: string; whole: boolean }> {
  const stream = http2.request({ ':path': path, ':authority': host });
  const { promise, resolve } = Promise.withResolvers<void>();
  let status = 0;
  let body = '';
  let ended = false;
  stream.on('response', (headers) => {
    status = Number(headers[':status']);
  });
  stream.setEncoding('latin1').on('data', (piece: string) => {
    body += piece;
  });
  stream.on('end', () => {
    ended = true;
  });
  stream.on('error', () => {});
  stream.on('close', () => resolve());
  await promise;
  return { status, body, whole: ended && stream.rstCode === 0 };
}

/** Nothing is left over: no request in flight, no defect, no worker that ended (behaviour 69). */
async function assertUnharmed(): Promise<void> {
  for (const pool of ['p', 'silent'])
    await eventually('nothing to be in flight', async () => (await admin.backend(pool, 'a')).activeRequests === 0);
  assert.equal(limpet.process.exitCode, null);
  assert.deepEqual(
    limpet.log.filter(({ level, worker }) => level === 'error' || level === 'fatal' || worker !== undefined),
    [],
  );
  const { status, body } = await overHttp2('/length/42/stay');
  assert.deepEqual([status, body], [200, 'body']);
}

describe('a backend that breaks off at each byte of a response', () => {
  for (const [kind, response] of Object.entries(RESPONSES)) {
    for (const end of ['fin', 'rst'] as const) {
      const cuts = Array.from({ length: response.length + 1 }, (_, cut) => cut);
      // With a reset, what came before it may or may not be there.
      const mayBe = (cut: number, whole: boolean): boolean =>
        end === 'rst' ? cut === response.length || !whole : whole === (cut === response.length);

      test(`64: ${kind}, ${end}, HTTP/1.1: never looks whole when it is not`, async () => {
        await each(cuts, async (cut) => {
          const client = await RawClient.open(limpet.port);
          client.send(`GET /${kind}/${cut}/${end} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
          const text = await client.end(20_000);
          client.close();
          const { answers, garbage } = readAnswers(text, false);
          const [answer] = answers;
          assert.equal(garbage === '' || !garbage.includes('\r\n\r\n') ? '' : garbage, '', `${cut}`);
          if (answer === undefined || !answer.complete) assert.ok(mayBe(cut, false), `${cut}: ${JSON.stringify(text)}`);
          else if (answer.error !== '')
            assert.ok(answer.status === 502 && (end === 'rst' || cut < response.length), text);
          else assert.ok(answer.body === 'body' && mayBe(cut, true), `${cut}: ${JSON.stringify(text)}`);
        });
        await assertUnharmed();
      });

      test(`64: ${kind}, ${end}, HTTP/2: never looks whole when it is not`, async () => {
        await each(cuts, async (cut) => {
          const { status, body, whole } = await overHttp2(`/${kind}/${cut}/${end}`);
          if (!whole) assert.ok(mayBe(cut, false), `${cut}: ${status} ${body}`);
          else if (status === 502) assert.ok(end === 'rst' || cut < response.length, `${cut}`);
          else assert.ok(status === 200 && body === 'body' && mayBe(cut, true), `${cut}: ${status} ${body}`);
        });
        await assertUnharmed();
      });
    }
  }

  test('75: one that goes silent at each byte is waited for so long and no longer', async () => {
    const response = RESPONSES.chunks!;
    const all = Array.from({ length: response.length }, (_, cut) => cut);
    await Promise.all(
      all.map(async (cut) => {
        const { status, whole } = await overHttp2(`/chunks/${cut}/stay`, 'silent.test');
        const inHead = cut < response.indexOf('\r\n\r\n') + 4;
        assert.deepEqual([status, whole], inHead ? [504, true] : [200, false], `${cut}`);
      }),
    );
    await assertUnharmed();
  });
});

describe('a client that leaves at each byte', () => {
  const WHOLE = RESPONSES.chunks!.length;
  const post = `POST /chunks/${WHOLE}/stay HTTP/1.1\r\nHost: x.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`;
  const fields = request(`/chunks/${WHOLE}/stay`, [['content-length', '5']], 'POST');
  const frames = Buffer.concat([
    Buffer.from(PREFACE, 'latin1'),
    frame(Type.settings, 0, 0),
    frame(Type.headers, Flag.endHeaders, 1, literals(fields)),
    frame(Type.data, 0, 1, 'hel'),
    frame(Type.data, Flag.endStream, 1, 'lo'),
  ]);

  for (const [version, bytes] of [
    ['HTTP/1.1', Buffer.from(post, 'latin1')],
    ['HTTP/2', frames],
  ] as const) {
    for (const how of ['fin', 'rst'] as const) {
      test(`69, 35: ${version}: it sends so much, then ${how}`, async () => {
        await each(
          Array.from({ length: bytes.length + 1 }, (_, cut) => cut),
          async (cut) => {
            const client = await RawClient.open(limpet.port);
            client.send(bytes.subarray(0, cut));
            // Some leave when limpet has read what they sent, some before.
            if (cut % 2 === 0) await new Promise(setImmediate);
            if (how === 'rst') {
              client.socket.resetAndDestroy();
              return;
            }
            client.socket.end();
            await client.until(() => client.ended, 20_000);
            client.close();
          },
        );
        await assertUnharmed();
      });
    }

    test(`69, 35: ${version}: it leaves after so many bytes of the answer`, async () => {
      await each(
        Array.from({ length: 60 }, (_, n) => n * 4),
        async (count) => {
          const client = await RawClient.open(limpet.port);
          client.send(bytes);
          await client.until((text) => text.length >= Math.min(count, 100), 20_000);
          client.socket.resetAndDestroy();
        },
      );
      await assertUnharmed();
    });
  }
});
