import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assembled } from '../../scripts/wasm.ts';
import { incoming } from '../../src/bytes/memory.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { OrdinaryLines } from '../../src/http1/ordinary-lines.ts';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { fieldValue, token, whiteSpace } from './arbitraries.ts';

type Kind = 'request' | 'response';

/** Size of what connections read into. */
const READ_BYTES = incoming.length;

/**
 * One that takes its shortcuts, as those of a limpet do. Memory for it is never given back, so there is one of each
 * kind.
 */
const swift = new Head(1_000, true);

/** Everything that a head says of what it has parsed; of one that is refused or not complete, what is defined then. */
function factsOf(head: Head, kind: Kind, bytes: Buffer, start: number, end: number): object {
  const result = kind === 'request' ? head.parseRequest(bytes, start, end) : head.parseResponse(bytes, start, end);
  if (result !== Parse.done) return { result, problem: result === Parse.bad ? head.problem : '' };
  const { text, consumed, length, fieldsStart, minor, count, contentLength, chunked, connection, expect } = head;
  const { hostLine, upgradeLine, cookieLine, teTrailers, seen, hostValue } = head;
  const lines = Array.from({ length: count }, (_, i) => ({
    name: head.name(i),
    value: head.value(i),
    id: head.id(i),
    hash: head.nameHash(i),
    offsets: [head.nameStart(i), head.nameEnd(i), head.valueStart(i), head.valueEnd(i), head.lineEnd(i)],
  }));
  const { method, host, path, originForm, framing, keepAlive, status, reasonStart } = head;
  return {
    result,
    text,
    // Of a response that goes on as it came it is these bytes that leave.
    bytes: head.bytes.latin1Slice(head.base, head.base + head.length),
    ...{ consumed, length, fieldsStart, minor, count, contentLength, chunked, connection, expect },
    ...{ hostLine, upgradeLine, cookieLine, teTrailers, seen, hostValue, lines, framing, keepAlive },
    ...(kind === 'request' ? { method, host, path, originForm } : { status, reasonStart }),
  };
}

/**
 * The same by a head that has seen nothing before and looks at each byte on its own, in a buffer that holds nothing
 * else.
 */
function freshFacts(kind: Kind, text: string): object {
  const bytes = Buffer.from(text, 'latin1');
  assert.ok(bytes.length < READ_BYTES);
  return factsOf(new Head(1_000), kind, bytes, 0, bytes.length);
}

/** What connections read into, and others, which are copied before they are looked at. */
const BUFFERS = [incoming, incoming, Buffer.alloc(READ_BYTES), Buffer.alloc(READ_BYTES + 100).subarray(64)];

const alike = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.constantFrom(...'aAbB-_9~'))
  .map(([length, last]) => 'x'.repeat(length - 1) + last);
/** The hash of `an` is that of `c0`: names of one length that share their hash, whatever is made of it. */
const colliding = fc
  .array(fc.constantFrom('an', 'c0', 'AN', 'C0'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(''));
const meaningful = fc
  .tuple(
    fc.constantFrom(
      ...['Content-Length', 'Transfer-Encoding', 'Connection', 'Keep-Alive', 'Cookie', 'Set-Cookie', 'Host'],
      ...['Expect', 'Upgrade', 'TE', 'Trailer', 'X-Forwarded-For', 'Limpet-Session', 'Limpet-User', 'Accept', 'Via'],
    ),
    fc.constantFrom(
      (name: string) => name,
      (name: string) => name.toLowerCase(),
      (name: string) => name.toUpperCase(),
      (name: string) => name.replaceAll('-', '_'),
      (name: string) => name.replace('-', '_').toLowerCase(),
      (name: string) => `${name.slice(0, -1)}${name.at(-1) === 'e' ? 'f' : 'e'}`,
      (name: string) => name.slice(0, -1),
      (name: string) => `${name}s`,
    ),
  )
  .map(([name, change]) => change(name));
/** What the field of most of these names would have, and what no field may have. */
const value = fc.oneof(
  fieldValue,
  fc.constantFrom('chunked', 'close', '0', '17', 'trailers', '100-continue', 'x.example', 'x.example:80', ''),
  fc
    .tuple(fc.nat(12), fc.constantFrom('\0', '\x1f', '\x7f', '\t', '\x80', '\xff', '\r', '\n'))
    .map(([at, byte]) => `${'v'.repeat(at)}${byte}${'w'.repeat(12 - at)}`),
);
const line = fc
  .tuple(fc.oneof(alike, colliding, meaningful, token), whiteSpace, value, whiteSpace)
  .map(([name, before, text, after]) => `${name}:${before}${text}${after}\r\n`);

/**
 * Heads that follow each other, made of a few lines in few orders: what one has taught is asked of the next ones, and
 * is wrong often enough. `cut` bytes at the end of a head have not come.
 */
const heads = fc.array(line, { minLength: 2, maxLength: 6 }).chain((lines) =>
  fc.array(
    fc.record({
      kind: fc.constantFrom<Kind[]>('request', 'request', 'response'),
      start: fc.constantFrom(
        'GET / HTTP/1.1\r\nHost: x.example\r\n',
        'POST /a?b HTTP/1.0\r\n',
        'GET / HTTP/1.1\r\nhost:b\r\n',
      ),
      lines: fc.array(fc.constantFrom(...lines), { maxLength: 5 }),
      cut: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(80)),
      buffer: fc.nat(3),
      at: fc.nat(7),
      back: fc.boolean(),
    }),
    { minLength: 2, maxLength: 12 },
  ),
);

describe('ordinary lines', () => {
  it('are what is tested here: this machine has WebAssembly and SIMD', () => {
    assert.notEqual(OrdinaryLines.make(1, 6), null);
  });

  it('are read by what lines.wat says', async () => {
    const made = readFileSync(new URL('../../src/http1/lines-wasm.ts', import.meta.url), 'utf8');
    assert.equal(made, await assembled(), 'run `npm run build:wasm`');
  });

  it('are those of known names, in their order, up to the first that is not', () => {
    const lines = OrdinaryLines.make(10, 6)!;
    const text = 'A: 1\r\nBee:\t 2 \t\r\nA:\r\nC: x\x7f\r\n\r\n';
    incoming.write(text, 7, 'latin1');
    const end = 7 + text.length;
    const read = (at: number, count: number): [number, number] => [lines.read(at, count), lines.count];
    assert.ok(lines.begin(incoming, 5, 7, end));
    assert.deepEqual(read(7, 0), [7, 0], 'nothing is known yet');
    lines.names.note(incoming, 7, 8, 11, 0);
    assert.deepEqual(read(13, 1), [13, 1]);
    lines.names.note(incoming, 13, 16, 22, 3);
    lines.names.note(incoming, 24, 25, 11, 0);
    lines.begin(incoming, 5, 7, end);
    // The line with DEL stays for whoever can refuse it.
    assert.deepEqual(read(7, 0), [28, 3]);
    assert.deepEqual(
      [...lines.lines.subarray(0, 18)],
      [2, 3, 5, 6, 11, 0, 8, 11, 14, 15, 22, 3, 19, 20, 21, 21, 11, 0],
    );
    // No room for more.
    const little = OrdinaryLines.make(2, 6)!;
    little.begin(incoming, 7, 7, end);
    for (const [start, stop, hash] of [
      [7, 8, 11],
      [13, 16, 22],
      [24, 25, 11],
    ] as const)
      little.names.note(incoming, start, stop, hash, 0);
    little.begin(incoming, 7, 7, end);
    assert.deepEqual([little.read(7, 0), little.count], [24, 2]);
  });

  it('are looked for in at most as much as is read at once', () => {
    const lines = OrdinaryLines.make(10, 6)!;
    assert.equal(lines.begin(Buffer.alloc(READ_BYTES), 0, 0, READ_BYTES), true);
    assert.equal(lines.begin(Buffer.alloc(READ_BYTES + 1), 0, 0, READ_BYTES + 1), false);
    const long = `HTTP/1.1 200 OK\r\n${`X-Long: ${'v'.repeat(200)}\r\n`.repeat(400)}\r\n`;
    const bytes = Buffer.from(long, 'latin1');
    for (let times = 0; times < 2; times++)
      assert.deepEqual(
        factsOf(swift, 'response', bytes, 0, bytes.length),
        factsOf(new Head(1_000), 'response', bytes, 0, bytes.length),
      );
  });
});

describe('what a head remembers of those before it', () => {
  it('makes no difference to how a head is read', () => {
    const outcomes = [0, 0, 0, 0];
    fc.assert(
      fc.property(heads, (list) => {
        for (const { kind, start, lines, cut, buffer, at, back } of list) {
          const text = `${kind === 'request' ? start : 'HTTP/1.1 200 OK\r\n'}${lines.join('')}\r\n`;
          const come = text.slice(0, Math.max(0, text.length - cut));
          const bytes = BUFFERS[buffer]!;
          // At the end of the buffer nothing lies behind the head; anywhere else what has not come does.
          const from = back ? bytes.length - come.length : at;
          bytes.write(text, from, 'latin1');
          const facts = factsOf(swift, kind, bytes, from, from + come.length);
          const fresh = freshFacts(kind, come) as { result: number };
          assert.deepEqual(facts, fresh, JSON.stringify(come));
          outcomes[fresh.result]!++;
        }
      }),
      { numRuns: 2_000 },
    );
    for (const result of [Parse.done, Parse.more, Parse.bad]) assert.ok(outcomes[result]! > 1_000, `${outcomes}`);
  });

  it('is right about more names than it has room for, in any order', () => {
    const names = Array.from({ length: 3_000 }, (_, n) => `x-${n.toString(36)}`);
    const head = swift;
    const bytes = incoming;
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < names.length; n += 50) {
        const some = names.slice(n, n + 50);
        if (round === 2) some.reverse();
        const text = `HTTP/1.1 200 OK\r\n${some.map((name) => `${name}: ${name}\r\n`).join('')}\r\n`;
        bytes.write(text, round, 'latin1');
        assert.deepEqual(factsOf(head, 'response', bytes, round, round + text.length), freshFacts('response', text));
      }
    }
  });

  it('a name is the one that stands there and no other, for each length, each place of a difference and each byte', () => {
    const head = swift;
    const bytes = incoming;
    for (let length = 1; length <= 60; length++) {
      const name = 'Content-Length'.repeat(5).slice(0, length);
      const usual = `HTTP/1.1 200 OK\r\n${name}: 1\r\n\r\n`;
      const expected = freshFacts('response', usual);
      for (let place = 0; place < length; place++) {
        const byte = name.charCodeAt(place);
        // Another letter, the other case, the other kind of dash, what ends a name, what must not be in one.
        for (const other of [byte ^ 1, byte ^ 0x20, 0x5f, 0x3a, 0x20, 0x00, byte | 0x80]) {
          const changed = name.slice(0, place) + String.fromCharCode(other) + name.slice(place + 1);
          const text = `HTTP/1.1 200 OK\r\n${changed}: 1\r\n\r\n`;
          const at = place & 7;
          bytes.write(usual, at, 'latin1');
          assert.deepEqual(factsOf(head, 'response', bytes, at, at + usual.length), expected);
          const fresh = freshFacts('response', text);
          // The second time it is the name that is expected.
          for (const from of [at, 7 - at]) {
            bytes.write(text, from, 'latin1');
            assert.deepEqual(factsOf(head, 'response', bytes, from, from + text.length), fresh, JSON.stringify(text));
          }
        }
      }
    }
  });

  it('a name that is too long to be kept does not become part of another one', () => {
    const random = new SeededRandom(5);
    const head = swift;
    const bytes = incoming;
    const check = (names: readonly string[]): void => {
      const text = `HTTP/1.1 200 OK\r\n${names.map((name) => `${name}: 1\r\n`).join('')}\r\n`;
      bytes.write(text, 0, 'latin1');
      assert.deepEqual(factsOf(head, 'response', bytes, 0, text.length), freshFacts('response', text));
    };
    const letters = (count: number): string =>
      Array.from({ length: count }, () => random.pick([...'abcdefgh'])).join('');
    for (let n = 0; n < 300; n++) {
      const name = letters(40);
      check(['first', name]);
      // Each ends in a word that is 33, which would be taken for a length.
      for (const length of [44, 48, 52, 56]) check(Array.from({ length: 20 }, () => `${letters(length)}!`));
      check(['first', name.slice(0, 33)]);
      check(['first', name]);
    }
  });

  it('a name of which the rest has not come is not complete, although its bytes lie there from the head before', () => {
    const head = swift;
    const bytes = incoming;
    const start = 'GET / HTTP/1.1\r\nHost: x\r\n';
    for (let length = 1; length <= 60; length++) {
      const text = `${start}${'n'.repeat(length)}: value\r\n\r\n`;
      for (let at = 0; at < 8; at++) {
        bytes.write(text, at, 'latin1');
        assert.equal(head.parseRequest(bytes, at, at + text.length), Parse.done);
        for (let end = start.length; end < text.length; end++) {
          assert.equal(
            head.parseRequest(bytes, at, at + end),
            Parse.more,
            `${length} bytes, the first ${end} have come`,
          );
        }
        assert.equal(head.parseRequest(bytes, at, at + text.length), Parse.done);
      }
    }
  });

  it('a head that is refused or cut off leaves nothing behind for the next one', () => {
    const head = swift;
    const bytes = incoming;
    const good = 'POST / HTTP/1.1\r\nHost: good\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n';
    const others = [
      'GET / HTTP/1.1\r\nHost: bad host\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: other\r\nCookie: a\r\nTE: trailers\r\nConnection: close, x\r\nUpgrade: y\r\nX B: 1\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nX-C',
      'GET / HTTP/1.1\r\n\r\n',
    ];
    for (const other of others) {
      for (const text of [good, other, good]) {
        bytes.write(text, 0, 'latin1');
        assert.deepEqual(factsOf(head, 'request', bytes, 0, text.length), freshFacts('request', text));
      }
    }
  });
});

describe('53: values, 16 bytes at a time', () => {
  it('53: each byte is allowed or refused as RFC 9110 has it, wherever it stands', () => {
    const head = swift;
    const bytes = incoming;
    const start = 'HTTP/1.1 200 OK\r\nX: ';
    for (let at = 0; at < 4; at++) {
      for (let place = 0; place <= 33; place++) {
        for (const tail of [0, 1, 15, 17]) {
          const text = `${start}${'v'.repeat(place)}?${'w'.repeat(tail)}\r\n\r\n`;
          bytes.write(text, at, 'latin1');
          for (let byte = 0; byte < 256; byte++) {
            bytes[at + start.length + place] = byte;
            const result = head.parseResponse(bytes, at, at + text.length);
            const allowed = byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
            assert.equal(result, allowed ? Parse.done : Parse.bad, `byte ${byte} at ${place}, ${tail} behind it`);
            if (!allowed) continue;
            const sent = text.slice(start.length, -4).replace('?', String.fromCharCode(byte));
            assert.equal(head.value(0), sent.replace(/^[ \t]+|[ \t]+$/g, ''));
          }
        }
      }
    }
  });

  it('53: a line of any length ends where its CRLF is, and nowhere behind what has come', () => {
    const head = swift;
    const bytes = incoming;
    for (let at = 0; at < 8; at++) {
      for (let length = 0; length <= 40; length++) {
        const text = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'v'.repeat(length)}\r\nY: ${'w'.repeat(length % 5)}\r\n\r\n`;
        for (const from of [at, READ_BYTES - text.length]) {
          bytes.write(text, from, 'latin1');
          assert.deepEqual(factsOf(head, 'request', bytes, from, from + text.length), freshFacts('request', text));
          for (let end = 0; end < text.length; end++) {
            assert.equal(head.parseRequest(bytes, from, from + end), Parse.more, `${end} of ${JSON.stringify(text)}`);
          }
        }
      }
    }
  });
});

describe('the host of the request before', () => {
  const head = swift;
  const bytes = incoming;
  const hostOf = (host: string): string | null => {
    const text = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    bytes.write(text, 0, 'latin1');
    const result = head.parseRequest(bytes, 0, text.length);
    if (result === Parse.done) return head.host;
    assert.deepEqual([result, head.problem], [Parse.bad, 'invalid Host']);
    return null;
  };

  it('is not that of the next one, which has its own or is refused', () => {
    for (const [host, valid] of [
      ['shop.example', true],
      ['shop.example', true],
      ['shop.exampl/', false],
      ['shop.example', true],
      ['shop.examplf', true],
      ['shop.exampl', true],
      ['shop.example', true],
      ['shop.example:80', true],
      ['shop.example:8x', false],
      ['Shop.example:80', true],
      ['hop.example:80', true],
      ['', true],
      ['\x80hop.example', false],
      ['shop.example', true],
      ['[::1]', true],
      ['[::g]', false],
      ['[::1]', true],
      ['127.0.0.1', true],
      ['127.0.0.x', true],
      ['127.0.0.1', true],
      ['127.0.0.01', false],
    ] as const) {
      assert.equal(hostOf(host), valid ? host : null);
    }
  });

  it('is nothing to a request without Host, to a response and to trailers', () => {
    assert.equal(hostOf('shop.example'), 'shop.example');
    for (const [kind, text] of [
      ['request', 'GET / HTTP/1.0\r\n\r\n'],
      ['response', 'HTTP/1.1 200 OK\r\n\r\n'],
    ] as const) {
      bytes.write(text, 0, 'latin1');
      assert.deepEqual(factsOf(head, kind, bytes, 0, text.length), freshFacts(kind, text));
      assert.equal(head.hostValue, '');
    }
    assert.equal(hostOf('shop.example'), 'shop.example');
    assert.equal(head.parseTrailers(Buffer.from('Host: other\r\n\r\n')), Parse.done);
    assert.equal(head.hostValue, '');
  });

  it('is its own for each request, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'ab', 'aB', 'a:1', 'a:2', 'A', '1.2.3.4')), (hosts) => {
        for (const host of hosts) assert.equal(hostOf(host), host);
      }),
      { numRuns: 500 },
    );
  });
});
