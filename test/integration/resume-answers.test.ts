import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { type Download, download } from '../support/download.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { often } from '../support/long.ts';
import { type BackendConnection, RawBackend } from '../support/raw-backend.ts';

const FILE = randomBytes(20_000);
const TOTAL = FILE.length;
const WRONG = Buffer.alloc(TOTAL + 1_000, 'X');
const CRLF = '\r\n';
const ROUNDS = Number(process.env.LIMPET_FUZZ_ROUNDS ?? often(100, 2_000));
const SEED = Number(process.env.LIMPET_FUZZ_SEED ?? Date.now() % 2 ** 31);

type Lines = Readonly<Record<string, string | readonly string[] | null>>;

/** An answer in bytes; fields of `change` take the place of those in `lines`, and null takes one away. */
function answerOf(status: number, lines: Lines, change: Lines, body: Buffer): Buffer {
  let head = `HTTP/1.1 ${status} x\r\n`;
  for (const [name, value] of Object.entries({ ...lines, ...change })) {
    for (const one of value === null ? [] : [value].flat()) head += `${name}: ${one}${CRLF}`;
  }
  return Buffer.concat([Buffer.from(head + CRLF, 'latin1'), body]);
}

function restLines(from: number): Lines {
  return { ETag: '"v1"', 'Content-Length': `${TOTAL - from}`, 'Content-Range': `bytes ${from}-${TOTAL - 1}/${TOTAL}` };
}

function chunked(body: Buffer, size: number, last = '0\r\n\r\n'): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from(CRLF));
  }
  return Buffer.concat([...parts, Buffer.from(last)]);
}

const CHUNKED: Lines = { 'Content-Length': null, 'Transfer-Encoding': 'chunked' };
const CLOSES: Lines = { 'Content-Length': null, Connection: 'close' };

/** Answers of the second backend from byte `from` on; `ends`: it sends FIN behind it. */
type Second = (from: number) => { bytes: Buffer; ends?: boolean };
const rest = (from: number): Buffer => FILE.subarray(from);

const GOOD: Record<string, Second> = {
  'exactly the rest': (from) => ({ bytes: answerOf(206, restLines(from), {}, rest(from)) }),
  'in chunks': (from) => ({ bytes: answerOf(206, restLines(from), CHUNKED, chunked(rest(from), 777)) }),
  'in chunks with trailers': (from) => ({
    bytes: answerOf(206, restLines(from), CHUNKED, chunked(rest(from), 777, '0\r\nX-Sum: 1\r\n\r\n')),
  }),
  'to the end of the connection': (from) => ({ bytes: answerOf(206, restLines(from), CLOSES, rest(from)), ends: true }),
  'with more bytes behind it': (from) => ({
    bytes: Buffer.concat([answerOf(206, restLines(from), {}, rest(from)), WRONG]),
  }),
  'in chunks with more bytes than its range': (from) => ({
    bytes: answerOf(206, restLines(from), CHUNKED, chunked(Buffer.concat([rest(from), WRONG]), 5_000)),
  }),
  'behind informational responses': (from) => ({
    bytes: Buffer.concat([
      Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n'),
      answerOf(206, restLines(from), {}, rest(from)),
    ]),
  }),
};

const wrong = (status: number, change: Lines, length?: number): Second => {
  return (from) => ({ bytes: answerOf(status, restLines(from), change, WRONG.subarray(0, length ?? TOTAL - from)) });
};

const BAD: Record<string, Second> = {
  'the whole file': () => ({
    bytes: answerOf(200, { ETag: '"v1"', 'Content-Length': `${TOTAL}` }, {}, WRONG.subarray(0, TOTAL)),
  }),
  '200 with the range': wrong(200, {}),
  '416': (from) => ({ bytes: answerOf(416, restLines(from), { 'Content-Length': '0' }, Buffer.alloc(0)) }),
  '503': wrong(503, {}),
  '304': (from) => ({ bytes: answerOf(304, restLines(from), {}, Buffer.alloc(0)) }),
  'a weak ETag': wrong(206, { ETag: 'W/"v1"' }),
  'another ETag': wrong(206, { ETag: '"v2"' }),
  'no ETag': wrong(206, { ETag: null }),
  'another coding': wrong(206, { 'Content-Encoding': 'gzip' }),
  'another range': (from) => wrong(206, { 'Content-Range': `bytes ${from + 1}-${TOTAL - 1}/${TOTAL}` })(from),
  'another total': (from) => wrong(206, { 'Content-Range': `bytes ${from}-${TOTAL - 1}/${TOTAL + 1}` })(from),
  'no range': wrong(206, { 'Content-Range': null }),
  'several ranges': wrong(206, { 'Content-Type': 'multipart/byteranges; boundary=b' }),
  'too few bytes': (from) => wrong(206, { 'Content-Length': `${TOTAL - from - 1}` })(from),
  'too many bytes': (from) => wrong(206, { 'Content-Length': `${TOTAL - from + 1}` })(from),
  'chunks that are none': wrong(206, CHUNKED),
  'no HTTP': () => ({ bytes: Buffer.from('SSH-2.0-OpenSSH_9.6\r\n') }),
  '101': () => ({ bytes: Buffer.from('HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nXXXX') }),
};

describe('answers to requests for the rest of a broken response', () => {
  let first: RawBackend;
  let second: RawBackend;
  let third: RawBackend;
  let limpet: LimpetProcess;
  /** Bytes of the body that the first one sends before it closes its connection, and fields of its head that differ. */
  let breaks = 0;
  let change: Lines = {};
  /** Requests that the second one has had in a test. */
  let asked = 0;
  let answer: (connection: BackendConnection, from: number) => void = () => {};
  let thirdAnswer: Second = GOOD['exactly the rest']!;

  const isRequest = ({ text }: BackendConnection): boolean => text.endsWith('\r\n\r\n');
  const rangeOf = ({ text }: BackendConnection): number =>
    Number(/\r\nRange: bytes=(\d+)-\r\n(?![\s\S]*\r\nRange: )/.exec(text)?.[1] ?? Number.NaN);
  const send = ({ socket }: BackendConnection, { bytes, ends = false }: ReturnType<Second>): void => {
    socket.write(bytes);
    if (ends) socket.end();
  };

  before(async () => {
    first = await RawBackend.start((connection) => {
      if (!isRequest(connection)) return;
      const lines = { ETag: '"v1"', 'Content-Length': `${TOTAL}` };
      connection.socket.end(answerOf(200, lines, change, FILE.subarray(0, breaks)));
    });
    second = await RawBackend.start((connection) => {
      if (!isRequest(connection)) return;
      asked++;
      answer(connection, rangeOf(connection));
    });
    third = await RawBackend.start((connection) => {
      if (isRequest(connection)) send(connection, thirdAnswer(rangeOf(connection)));
    });
    const pool = (name: string, ...urls: string[]): string =>
      `  ${name}: { affinity: [], health: { passive: null }, failover: { resume: true }, backends: [${urls
        .map((url, n) => `{ id: b${n}, url: "${url}", backup: ${n > 0} }`)
        .join(', ')}] }`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'routes: [{ match: { path: /two }, pool: two }, { pool: three }]',
        'pools:',
        pool('two', first.url, second.url),
        // The two that are no first choice: one of them, then the other.
        pool('three', first.url, second.url, third.url),
      ].join('\n'),
    );
  });
  beforeEach(() => {
    breaks = 4_321;
    change = {};
    thirdAnswer = GOOD['exactly the rest']!;
    asked = 0;
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all([first, second, third].map((backend) => backend?.stop()));
  });

  const isRight = ({ bytes, whole }: Download): void => {
    assert.ok(FILE.subarray(0, bytes.length).equals(bytes), 'wrong bytes');
    assert.equal(whole, bytes.length === TOTAL);
  };
  let nth = 0;
  const get = (pool: string): Promise<Download> =>
    download(`${limpet.url}/${pool}/${nth++}`, { headers: { range: 'bytes=1-2,4-5' } });

  for (const [name, second] of Object.entries(GOOD)) {
    test(`50: taken: ${name}`, async () => {
      answer = (connection, from) => send(connection, second(from));
      for (breaks of [0, 1, 4_321, TOTAL - 1]) {
        const got = await get('two');
        isRight(got);
        assert.equal(got.whole, true);
        assert.equal(got.headers.link, undefined);
      }
    });
  }

  for (const [name, bad] of Object.entries(BAD)) {
    test(`50: not taken, and the response cut: ${name}`, async () => {
      answer = (connection, from) => send(connection, bad(from));
      const got = await get('two');
      isRight(got);
      assert.equal(got.whole, false);
      assert.ok(got.bytes.length <= breaks);
      assert.equal(asked, 1);
    });
  }

  for (const [name, lines] of [
    ['a coding that the first one had', { 'Content-Encoding': 'gzip' }],
    ['trailers of the first one', { Trailer: 'X-Sum' }],
  ] as const) {
    test(`48, 50: not without ${name}`, async () => {
      change = lines;
      answer = (connection, from) => send(connection, GOOD['exactly the rest']!(from));
      const got = await get('two');
      isRight(got);
      assert.equal(got.whole, false);
    });
  }

  test('30: a connection that had served before closes without an answer: a new one to the same backend', async () => {
    answer = (connection, from) => {
      const nthOnIt = connection.text.split('GET /').length - 1;
      // The third request finds the connection closed, and has to come again.
      if (nthOnIt > 1) connection.socket.resetAndDestroy();
      else send(connection, { bytes: answerOf(206, restLines(from), { 'Keep-Alive': 'timeout=60' }, rest(from)) });
    };
    const races = async (): Promise<boolean> =>
      (await (await fetch(`${limpet.admin}/metrics`)).text()).includes(
        'limpet_retries_total{pool="two",reason="keep-alive-race"}',
      );
    // Each worker has connections of its own: sooner or later one of them uses its connection for a second time.
    await eventually(
      'the race',
      async () => {
        const got = await get('two');
        isRight(got);
        assert.equal(got.whole, true);
        return races();
      },
      30_000,
    );
  });

  test(`50: whatever breaks and whatever is answered, the client gets the right bytes or a cut (LIMPET_FUZZ_SEED=${SEED})`, async () => {
    const random = new SeededRandom(SEED);
    const anything = (from: number): { value: ReturnType<Second>; good: boolean } => {
      const isGood = random.oneIn(2);
      const value = random.pick(Object.values(isGood ? GOOD : BAD))(from);
      // Cut, as often as not in the head; or some byte of the head is another one.
      if (random.oneIn(3))
        return { value: { bytes: value.bytes.subarray(0, random.below(value.bytes.length)), ends: true }, good: false };
      // A defect there that makes an answer look right whose bytes are not cannot be seen by anybody.
      if (!isGood || value.bytes.includes('chunked') || !random.oneIn(4)) return { value, good: isGood };
      const bytes = Buffer.from(value.bytes);
      const head = bytes.indexOf('\r\n\r\n');
      bytes[random.below(Math.max(head, 1))] = 0x20 + random.below(95);
      return { value: { bytes, ends: true }, good: false };
    };
    let whole = 0;
    for (let round = 0; round < ROUNDS; round++) {
      breaks = random.oneIn(5) ? random.below(3) : random.below(TOTAL);
      let good = true;
      answer = (connection, from) => {
        const made = anything(from);
        good &&= made.good;
        send(connection, made.value);
      };
      thirdAnswer = (from) => {
        const made = anything(from);
        good &&= made.good;
        return made.value;
      };
      const got = await get('three');
      isRight(got);
      if (good) assert.equal(got.whole, true, 'a good answer was refused');
      if (got.whole) whole++;
    }
    assert.ok(whole > 0);
  });
});
