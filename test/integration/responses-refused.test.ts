import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { BackendConnection } from '../support/raw-backend.ts';
import { isWhole, type RawClient } from '../support/raw-client.ts';
import { ok, RawPair, reply } from '../support/raw-pair.ts';
import { assertError, assertUnharmed, closeOf } from './refusals.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: shop.example\r\n';

/** Backend answers that are refused, each a case of behaviours 54 and 72. */
const BAD_RESPONSES: Readonly<Record<string, string>> = {
  garbage: 'garbage\r\n\r\n',
  'a page without a head': '<html><body>hello</body></html>\r\n\r\n',
  'an empty line first': '\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'version HTTP/2.0': 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'protocol ICE': 'ICE/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok',
  'a status below 100': 'HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok',
  'bare LF everywhere': 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  'a bare LF behind a field': 'HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\r\nok',
  'a bare CR in a field': 'HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok',
  'a control byte in the reason phrase': 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok',
  'a NUL in the reason phrase': 'HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok',
  'an escape sequence in a value': 'HTTP/1.1 200 OK\r\nX-A: \x1b[2J\r\nContent-Length: 2\r\n\r\nok',
  'a NUL in a value': 'HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok',
  'a NUL in a name': 'HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 2\r\n\r\nok',
  'a name with a space': 'HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok',
  'white space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok',
  'a folded line': 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok',
  'Content-Length with Transfer-Encoding':
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'Content-Lengths that differ': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
  'Content-Length +2': 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok',
  'a list of Content-Lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
  'Transfer-Encoding gzip, chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  'Transfer-Encoding in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a chunk size that is not hex': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
  'a chunk size that overflows': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n',
  'a chunk size with a tab': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\t\r\nok\r\n0\r\n\r\n',
  'chunk data that is not followed by CRLF':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n0\r\n\r\n',
  'a malformed trailer section': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX : y\r\n\r\n',
  'a 101 that nobody asked for':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
  'a malformed head behind a 100': 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200\tOK\r\n\r\n',
  'a head without end': `HTTP/1.1 200 OK\r\n${`X-A: ${'a'.repeat(1_000)}\r\n`.repeat(300)}`,
  'too many fields': `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(1_001)}\r\n`,
};

describe('54, 72: responses that are refused', () => {
  const pair = RawPair.inSuite();

  for (const [name, response] of Object.entries(BAD_RESPONSES)) {
    test(`54, 72: ${name}: 502, and the connection to the backend is not used again`, async () => {
      const answered = Promise.withResolvers<BackendConnection>();
      pair.answer = (connection) => {
        reply(response)(connection);
        answered.resolve(connection);
      };
      const client = await pair.open();
      client.send(`${GET}\r\n`);
      const backend = await answered.promise;
      const closed = closeOf(backend.socket);
      const text = withoutInterim(await client.until((all) => isWhole(withoutInterim(all))));
      assertError(text, 502, 'BACKEND_PROTOCOL', false);
      await closed;
      // The client's connection is sound; the next request goes out on another connection and gets its own answer.
      pair.answer = ok;
      const before = client.text.length;
      client.send(`${GET}\r\n`);
      await client.until((all) => isWhole(all.slice(before)));
      assert.match(client.text.slice(before), /^HTTP\/1\.1 200 OK\r\n/);
      assert.doesNotMatch(client.text, /evil/);
    });
  }

  test('54: a bad chunk after the client has part of the response: the connection is cut, without a last chunk (64)', async () => {
    const sent = Promise.withResolvers<BackendConnection>();
    pair.answer = (connection) => {
      connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
      sent.resolve(connection);
    };
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    const backend = await sent.promise;
    await client.until((text) => text.endsWith('first\r\n'));
    const closed = closeOf(backend.socket);
    backend.socket.write('5\r\nhelloX\r\n0\r\n\r\n');
    await client.end();
    await closed;
    assert.ok(!client.text.includes('\r\n0\r\n'), client.text);
  });

  test('72: a 101 that was asked for but names another protocol is relayed as it is', async () => {
    pair.answer = reply('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nhello');
    const client = await pair.open();
    client.send(`${GET}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
    const text = await client.until((all) => all.endsWith('hello'));
    assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(text, /^Upgrade: other\r$/im);
  });

  test('54: a 101 before the request is whole is refused', async () => {
    pair.answer = reply('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    const client = await pair.open();
    client.send(`${POST}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\n\r\nhello`);
    assertError(await client.end(), 502, 'BACKEND_PROTOCOL', true);
  });

  after(() => assertUnharmed(pair));
});

const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';

describe('54: bytes behind a response', () => {
  const pair = RawPair.inSuite();

  /**
   * Sends `request`, which is answered with `response`, and settles with what the client got and the connection that
   * the backend got it on.
   */
  async function answered(
    request: string,
    response: string,
  ): Promise<{ client: RawClient; backend: BackendConnection }> {
    const got = Promise.withResolvers<BackendConnection>();
    pair.answer = (connection) => {
      reply(response)(connection);
      got.resolve(connection);
    };
    const client = await pair.open();
    client.send(request);
    const backend = await got.promise;
    pair.answer = ok;
    return { client, backend };
  }

  /** The next request, of any client, gets its own answer on a connection other than `backend`. */
  async function assertNotDelivered(client: RawClient, backend: BackendConnection): Promise<void> {
    await closeOf(backend.socket);
    backend.text = '';
    const before = client.text.length;
    client.send(`${GET}\r\n`);
    const other = await pair.exchange(`${GET}\r\n`);
    await client.until((text) => isWhole(text.slice(before)));
    for (const text of [other, client.text.slice(before)]) {
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
      assert.ok(text.endsWith('\r\n\r\nok'), text);
    }
    assert.equal(backend.text, '');
    assert.doesNotMatch(client.text, /evil/);
  }

  const behind: Readonly<Record<string, readonly [request: string, response: string]>> = {
    'a response with Content-Length': [`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    'a chunked response': [`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    'a response without a body': [`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    'a response to HEAD': [
      `HEAD / HTTP/1.1\r\nHost: a\r\n\r\n`,
      `HTTP/1.1 200 OK\r\nContent-Length: ${EVIL.length}\r\n\r\n`,
    ],
    'a 204': [`${GET}\r\n`, `HTTP/1.1 204 No Content\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    'a 304': [`${GET}\r\n`, `HTTP/1.1 304 Not Modified\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    'a 304 with Transfer-Encoding': [`${GET}\r\n`, 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n'],
  };
  for (const [name, [request, response]] of Object.entries(behind)) {
    test(`54: a second response in one packet behind ${name} is the answer to nobody`, async () => {
      const { client, backend } = await answered(request, response + EVIL);
      await client.until((text) => text.includes('\r\n\r\n'));
      await assertNotDelivered(client, backend);
    });

    test(`54: a second response some time after ${name} is the answer to nobody`, async () => {
      const { client, backend } = await answered(request, response);
      await client.until((text) => text.includes('\r\n\r\n') && !text.endsWith('2\r\n'));
      backend.socket.write(EVIL);
      await assertNotDelivered(client, backend);
    });
  }

  test('54: a response that ends its connection, or a 204 or 304 that announces a body: the connection is not used again', async () => {
    for (const head of [
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n',
      'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n',
      'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n',
      'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n',
      'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n',
    ]) {
      const { client, backend } = await answered(`${GET}\r\n`, `${head}\r\n`);
      await client.until((text) => text.includes('\r\n\r\n'));
      await assertNotDelivered(client, backend);
    }
  });

  test('54: a response that comes before any request is the answer to nobody', async () => {
    const { client, backend } = await answered(`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await client.until(isWhole);
    backend.socket.write('HTTP/1.1 200 OK\r\nContent-Le');
    await assertNotDelivered(client, backend);
  });

  test('54: a value that a backend took from elsewhere splits no response', async () => {
    const { client } = await answered(
      `${GET}\r\n`,
      `HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n${EVIL}\r\nContent-Length: 0\r\n\r\n`,
    );
    await client.until((text) => text.includes('\r\n\r\n'));
    assert.match(client.text, /^HTTP\/1\.1 302 Found\r\n/);
    assert.doesNotMatch(client.text, /evil/);
    assert.match(await pair.exchange(`${GET}\r\n`), /\r\n\r\nok$/);
  });

  after(() => assertUnharmed(pair));
});

/** The final response of `text`, without the 1xx responses before it. */
function withoutInterim(text: string): string {
  return text.replace(/^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '');
}

describe('F9: why a response was refused', () => {
  const pair = RawPair.inSuite('affinity: [], health: { passive: null }', 'log: { access: true }');

  test('F9: the access log has it, and so has one warning a minute for each backend and reason', async () => {
    const refused = [
      [
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
        'two Transfer-Encoding lines',
      ],
      ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok', 'two Content-Length lines that differ'],
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n', 'chunk size is not hexadecimal'],
    ] as const;
    for (let round = 0; round < 3; round++) {
      for (const [n, [response, reason]] of refused.entries()) {
        pair.answer = reply(response);
        await pair.exchange(`GET /${round}/${n} HTTP/1.1\r\nHost: x\r\n\r\n`);
        const line = await pair.limpet.logged(({ path }) => path === `/${round}/${n}`);
        assert.deepEqual([line.error, line.detail], ['BACKEND_PROTOCOL', reason]);
      }
    }
    const warnings = pair.limpet.log.filter(({ level, reason }) => level === 'warn' && reason !== undefined);
    assert.deepEqual(
      warnings.map(({ pool, backend, reason }) => [pool, backend, reason]),
      refused.map(([, reason]) => ['p', 'a', reason]),
    );
    const metrics = await (await fetch(`${pair.limpet.admin}/metrics`)).text();
    for (const [, reason] of refused)
      assert.match(
        metrics,
        new RegExp(`^limpet_refused_responses_total\\{pool="p",backend="a",reason="${reason}"\\} 3$`, 'm'),
      );
  });

  test('F9: of other failures and of refused requests the access log has the reason, and of what went well none', async () => {
    pair.answer = ({ socket }) => socket.resetAndDestroy();
    await pair.exchange('GET /reset HTTP/1.1\r\nHost: x\r\n\r\n');
    const reset = await pair.limpet.logged(({ path }) => path === '/reset');
    assert.deepEqual([reset.error, reset.detail], ['BACKEND_RESET', 'ECONNRESET']);
    await pair.exchange('GET /bad HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n');
    const bad = await pair.limpet.logged(({ error }) => error === 'BAD_REQUEST');
    assert.equal(bad.detail, 'two Host lines');
    pair.answer = ok;
    await pair.exchange('GET /well HTTP/1.1\r\nHost: x\r\n\r\n');
    const well = await pair.limpet.logged(({ path }) => path === '/well');
    assert.deepEqual([well.error, well.detail], [null, null]);
  });
});
