import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { before, describe, test } from 'node:test';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { eventually } from '../support/eventually.ts';
import type { BackendConnection } from '../support/raw-backend.ts';
import { isWhole, type RawClient } from '../support/raw-client.ts';
import { RawPair } from '../support/raw-pair.ts';
import { tcpQueues } from '../support/tcp-queues.ts';

const KIB = 1_024;
const MIB = KIB * KIB;
/** Up to this size head and body leave as one text. */
const ONE_TEXT = 16 * KIB;

/** Bytes of a body that is like no other one, and like no other part of itself (xorshift32). */
function bodyOf(id: number, size: number): Buffer {
  const words = new Int32Array((size >> 2) + 1);
  let state = id * 0x9e3779b1 || 1;
  for (let n = 0; n < words.length; n++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[n] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}

/** A response without it gets one on its way (RFC 9110 6.6.1). */
const DATE = 'Date: Tue, 27 Oct 2026 08:49:37 GMT\r\n';

/** A response that says whose it is, and needs no change on its way. */
function plain(id: number, size: number): Buffer {
  return Buffer.concat([headOf(id, size), bodyOf(id, size)]);
}

function headOf(id: number, size: number): Buffer {
  return Buffer.from(`HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n${DATE}Content-Length: ${size}\r\n\r\n`, 'latin1');
}

function chunked(id: number, sizes: readonly number[]): Buffer {
  const chunks = sizes.flatMap((size, n) => [
    Buffer.from(`${size.toString(16)}\r\n`),
    bodyOf(id + n, size),
    Buffer.from('\r\n'),
  ]);
  const head = `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')]);
}

/** The body of a chunked message, which has to be whole and to end with the text. */
function unchunked(text: string): string {
  let body = '';
  let at = text.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const end = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, end), 16);
    body += text.slice(end + 2, end + 2 + size);
    at = end + 2 + size;
    assert.equal(text.slice(at, at + 2), '\r\n', 'the end of a chunk');
    at += 2;
    if (size > 0) continue;
    assert.equal(at, text.length);
    return body;
  }
}

/** Compares what may be megabytes: where they differ says more than the bytes do. */
function assertSame(got: string, expected: Buffer, what: string): void {
  const text = expected.latin1Slice();
  if (got === text) return;
  let at = 0;
  while (got[at] === text[at]) at++;
  const around = (all: string): string => JSON.stringify(all.slice(Math.max(0, at - 40), at + 40));
  assert.fail(`${what}: ${got.length} bytes for ${text.length}, and from ${at} on ${around(got)} for ${around(text)}`);
}

describe('responses reach the client byte for byte', () => {
  const pair = RawPair.inSuite();
  /** Of a session that is there: limpet has nothing to add to its responses. */
  let cookie = '';
  let ids = 0;

  before(async () => {
    cookie = /^set-cookie: (limpet=[^;]+)/im.exec(await pair.exchange('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))![1]!;
  });

  /** Has the backend answer request `id` with these pieces, in a read of limpet's for each. */
  const answer = (pieces: (id: number) => readonly Buffer[]): void => {
    pair.answer = (connection) => {
      if (!connection.text.endsWith('\r\n\r\n')) return;
      const id = Number(/^GET \/(\d+) /.exec(connection.text)![1]);
      connection.text = '';
      void send(connection, pieces(id));
    };
  };
  const send = async ({ socket }: BackendConnection, pieces: readonly Buffer[]): Promise<void> => {
    for (const [n, piece] of pieces.entries()) {
      if (n > 0) await taken(socket);
      socket.write(piece);
    }
  };
  /** Settles once limpet has read everything that was written to it. */
  const taken = async (socket: Socket): Promise<void> => {
    const { remotePort } = socket;
    // One that is closed has no port any more.
    while (remotePort !== undefined && tcpQueues(remotePort, pair.backend.port).unread > 0)
      await new Promise(setImmediate);
  };
  const requestFor = (...list: readonly number[]): string =>
    list.map((id) => `GET /${id} HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`).join('');
  const get = async (client: RawClient, id: number, length: number): Promise<string> => {
    client.text = '';
    client.send(requestFor(id));
    return client.until((text) => text.length >= length);
  };
  const settled = async (): Promise<void> => {
    for (let n = 0; n < 5; n++) await new Promise(setImmediate);
  };

  test('of any size, head and body in one piece, also around the size up to which they leave as one', async () => {
    const around = Array.from({ length: 201 }, (_, n) => 16_260 + n);
    assert.ok(around.some((size) => headOf(1_000, size).length + size === ONE_TEXT));
    const client = await pair.open();
    for (const size of [0, 1, 60, 10 * KIB, ...around, 65_535, 65_536, 65_537, 200_000]) {
      const id = 1_000 + ids++;
      const expected = plain(id, size);
      answer(() => [expected]);
      assertSame(await get(client, id, expected.length), expected, `${size} bytes`);
    }
  });

  test('cut in two at every byte, with an interim response in front and without', async () => {
    const client = await pair.open();
    const interim = Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n');
    for (const front of [Buffer.alloc(0), interim]) {
      const length = front.length + plain(1_000, 40).length;
      for (let cut = 1; cut < length; cut++) {
        const id = 1_000 + ids++;
        const expected = Buffer.concat([front, plain(id, 40)]);
        answer(() => [expected.subarray(0, cut), expected.subarray(cut)]);
        assertSame(await get(client, id, expected.length), expected, `cut at ${cut} of ${length}`);
      }
    }
  });

  test('in several pieces, cut where the head ends and where it does not', async () => {
    const client = await pair.open();
    const random = new SeededRandom(1);
    for (const size of [1, 60, 10 * KIB, ONE_TEXT - 80, ONE_TEXT, 65_536, 200_000]) {
      for (const behind of [-1, 0, 1, 30]) {
        const id = 1_000 + ids++;
        const expected = plain(id, size);
        const first = headOf(id, size).length + Math.min(behind, size - 1);
        const second = first + 1 + random.below(Math.max(1, expected.length - first - 1));
        answer(() => [expected.subarray(0, first), expected.subarray(first, second), expected.subarray(second)]);
        assertSame(await get(client, id, expected.length), expected, `${size} bytes, cut at ${first} and ${second}`);
      }
    }
  });

  test('chunked, cut in two at every byte, and chunks of any size', async () => {
    const client = await pair.open();
    const cases = Array.from({ length: chunked(1_000, [5, 17]).length - 1 }, (_, n) => ({
      sizes: [5, 17],
      cut: n + 1,
    }));
    for (const size of [1, 10 * KIB, ONE_TEXT, 65_536, 200_000]) {
      for (const cut of [1, 70, 71, 72, 80, 16_400]) cases.push({ sizes: [3, size, size + 1], cut });
    }
    for (const { sizes, cut } of cases) {
      const id = 1_000 + (ids += sizes.length);
      const response = chunked(id, sizes);
      answer(() => [response.subarray(0, cut), response.subarray(cut)].filter(({ length }) => length > 0));
      client.text = '';
      client.send(requestFor(id));
      const text = await client.until((all) => all.endsWith('\r\n0\r\n\r\n'));
      assert.match(text, new RegExp(`^HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n`));
      const body = Buffer.concat(sizes.map((size, n) => bodyOf(id + n, size)));
      assertSame(unchunked(text), body, `chunks of ${sizes.join()} bytes, cut at ${cut}`);
    }
  });

  test('without a body: to HEAD, 204 and 304, however they are cut', async () => {
    const client = await pair.open();
    for (const [method, text] of [
      ['HEAD', `HTTP/1.1 200 OK\r\nX-Id: 1\r\n${DATE}Content-Length: 5000\r\n\r\n`],
      ['GET', `HTTP/1.1 204 No Content\r\nX-Id: 2\r\n${DATE}\r\n`],
      ['GET', `HTTP/1.1 304 Not Modified\r\nX-Id: 3\r\n${DATE}Content-Length: 5000\r\n\r\n`],
    ] as const) {
      const bytes = Buffer.from(text);
      for (let cut = 1; cut <= bytes.length; cut += 7) {
        pair.answer = (connection) => {
          connection.text = '';
          void send(connection, [bytes.subarray(0, cut), bytes.subarray(cut)]);
        };
        client.text = '';
        client.send(requestFor(1).replace('GET', method));
        assertSame(await client.until((all) => all.endsWith('\r\n\r\n')), bytes, `cut at ${cut}`);
      }
    }
  });

  test('and nothing that a backend sends behind them, in the same read or in the next one: its connection is not used again', async () => {
    const client = await pair.open();
    const behind = plain(1, 200);
    for (const size of [0, 1, 60, 10 * KIB, ONE_TEXT, 65_536]) {
      for (const together of [true, false]) {
        const [one, two] = [1_000 + ids++, 1_000 + ids++];
        const expected = plain(one, size);
        const asked: Socket[] = [];
        pair.answer = (connection) => {
          if (!connection.text.endsWith('\r\n\r\n')) return;
          connection.text = '';
          asked.push(connection.socket);
          if (asked.length > 1) connection.socket.write(plain(two, 5));
          else connection.socket.write(together ? Buffer.concat([expected, behind]) : expected);
        };
        assertSame(await get(client, one, expected.length), expected, `${size} bytes`);
        const [first] = asked as [Socket];
        // Nobody has asked for it. What comes when somebody has is an answer, whoever it was meant for.
        if (!together) first.write(behind);
        await taken(first);
        assertSame(await get(client, two, plain(two, 5).length), plain(two, 5), `behind ${size} bytes`);
        assert.equal(asked.length, 2);
        assert.notEqual(asked[1], first);
      }
    }
  });

  test('61: to 20 requests that come at once, in their order', async () => {
    const sizes = [0, 1, 60, 10 * KIB, 200_000, 16_320, 3, 65_536, 0, 100_000];
    const sizeOf = (id: number): number => sizes[id % sizes.length]!;
    answer((id) => [plain(id, sizeOf(id))]);
    const list = Array.from({ length: 20 }, (_, n) => 2_000 + n);
    const expected = Buffer.concat(list.map((id) => plain(id, sizeOf(id))));
    const client = await pair.open();
    client.send(requestFor(...list));
    assertSame(await client.until((text) => text.length >= expected.length), expected, 'all of them');
  });

  test('61, 64: to a client that sends 51 requests at once and reads slowly, one of 4 MiB among them', async () => {
    const BIG = 3_025;
    const sizeOf = (id: number): number => (id === BIG ? 4 * MIB : 10 * KIB);
    let asked = 0;
    answer((id) => {
      asked = id;
      return [plain(id, sizeOf(id))];
    });
    const list = Array.from({ length: 51 }, (_, n) => 3_000 + n);
    const expected = Buffer.concat(list.map((id) => plain(id, sizeOf(id))));
    const client = await pair.open();
    client.socket.pause();
    client.send(requestFor(...list));
    await eventually('the large response', () => asked >= BIG);
    await settled();
    slowly(client);
    assertSame(await client.until((text) => text.length >= expected.length, 30_000), expected, 'all of them');
  });

  test('64: to two clients at once, one of which does not read for a long time', async () => {
    const SLOW = 4_000;
    let behind: Socket | null = null;
    // The system holds less than that between limpet and a client that does not read.
    const sizeOf = (id: number): number => (id === SLOW ? 16 * MIB : id === SLOW + 1 ? MIB : (id * 1_237) % 150_000);
    pair.answer = (connection) => {
      if (!connection.text.endsWith('\r\n\r\n')) return;
      const id = Number(/^GET \/(\d+) /.exec(connection.text)![1]);
      connection.text = '';
      if (id === SLOW) behind = connection.socket;
      connection.socket.write(plain(id, sizeOf(id)));
    };
    const [slow, fast] = [await pair.open(), await pair.open()];
    slow.socket.pause();
    slow.send(requestFor(SLOW, SLOW + 1));
    const expected = Buffer.concat([plain(SLOW, sizeOf(SLOW)), plain(SLOW + 1, sizeOf(SLOW + 1))]);
    const unread = (): number => (behind === null ? 0 : tcpQueues(behind.remotePort!, pair.backend.port).unread);
    let before = 0;
    await eventually('limpet to read no more of what the backend has written', () => {
      const still = unread() > 0 && unread() === before;
      before = unread();
      return still;
    });
    const both = async (from: number, to: number): Promise<void> => {
      for (let id = from; id < to && slow.text.length < expected.length; id++) {
        const own = plain(id, sizeOf(id));
        assertSame(await get(fast, id, own.length), own, 'the fast one');
      }
    };
    await both(5_000, 5_100);
    assert.ok(unread() > 0, 'it has waited all the time');
    slowly(slow);
    await both(6_000, 7_000);
    assertSame(await slow.until((text) => text.length >= expected.length, 30_000), expected, 'the slow one');
  });

  test('64: requests of two clients at once reach a backend that reads slowly, each byte of them', async () => {
    const size = 12 * MIB;
    const bodies = [bodyOf(7_000, size), bodyOf(7_001, size)];
    const received = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    pair.answer = (connection) => {
      const { socket, text } = connection;
      socket.pause();
      setImmediate(() => socket.resume());
      // More than the body has come: the head is there as well, which is short.
      if (text.length <= size || text.length < text.indexOf('\r\n\r\n') + 4 + size) return;
      const id = Number(/^POST \/(\d+) /.exec(text)![1]);
      received[id - 7_000]!.resolve(text.slice(text.indexOf('\r\n\r\n') + 4));
      connection.text = '';
      socket.write(plain(id, 60));
    };
    await Promise.all(
      bodies.map(async (body, n) => {
        const client = await pair.open();
        client.send(
          requestFor(7_000 + n)
            .replace('GET', 'POST')
            .replace('\r\n\r\n', `\r\nContent-Length: ${size}\r\n\r\n`),
        );
        client.send(body);
        assertSame(await received[n]!.promise, body, 'the request');
        assertSame(await client.until(isWhole), plain(7_000 + n, 60), 'the response');
      }),
    );
  });
});

/** Reads on, and stops after each piece until everything else has had its turn. */
function slowly({ socket }: RawClient): void {
  socket.on('data', () => {
    socket.pause();
    setImmediate(() => socket.resume());
  });
  socket.resume();
}
