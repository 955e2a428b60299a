import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Key } from '../../src/keys/key.ts';
import { KeyHash } from '../../src/keys/key-hash.ts';

/** From `vectors_sip128` of the reference code: key 00 01 .. 0f, message 00 01 .. of that length. */
const VECTORS: readonly [number, string][] = [
  [0, 'a3817f04ba25a8e66df67214c7550293'],
  [1, 'da87c1d86b99af44347659119b22fc45'],
  [7, 'a1f1ebbed8dbc153c0b84aa61ff08239'],
  [8, '3b62a9ba6258f5610f83e264f31497b4'],
  [15, '5493e99933b0a8117e08ec0f97cfc3d9'],
  [16, '6ee2a4ca67b054bbfd3315bf85230577'],
  [63, '5150d1772f50834a503e069a973fbd7c'],
];
const SECRET = Uint8Array.from({ length: 16 }, (_, n) => n);
const MASK = (1n << 64n) - 1n;

function hex(key: Key): string {
  const bytes = Buffer.alloc(16);
  [key.a, key.b, key.c, key.d].forEach((word, n) => {
    bytes.writeInt32LE(word, n * 4);
  });
  return bytes.toString('hex');
}

function hashOf(hash: KeyHash, text: string): string {
  const key = new Key();
  hash.hash(text, 0, text.length, key);
  return hex(key);
}

/** SipHash-2-4-128 as the paper and the reference code have it, on 64-bit words. */
function reference(secret: Uint8Array, message: Uint8Array): string {
  const view = new DataView(secret.buffer, secret.byteOffset, 16);
  const k0 = view.getBigUint64(0, true);
  const k1 = view.getBigUint64(8, true);
  const v: [bigint, bigint, bigint, bigint] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const turn = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & MASK;
  const rounds = (count: number): void => {
    for (let n = 0; n < count; n++) {
      v[0] = (v[0] + v[1]) & MASK;
      v[1] = turn(v[1], 13n) ^ v[0];
      v[0] = turn(v[0], 32n);
      v[2] = (v[2] + v[3]) & MASK;
      v[3] = turn(v[3], 16n) ^ v[2];
      v[0] = (v[0] + v[3]) & MASK;
      v[3] = turn(v[3], 21n) ^ v[0];
      v[2] = (v[2] + v[1]) & MASK;
      v[1] = turn(v[1], 17n) ^ v[2];
      v[2] = turn(v[2], 32n);
    }
  };
  const padded = new Uint8Array(Math.floor(message.length / 8) * 8 + 8);
  padded.set(message);
  padded[padded.length - 1] = message.length & 0xff;
  const words = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = words.getBigUint64(at, true);
    v[3] ^= word;
    rounds(2);
    v[0] ^= word;
  }
  const out = Buffer.alloc(16);
  v[2] ^= 0xeen;
  rounds(4);
  out.writeBigUInt64LE(v[0] ^ v[1] ^ v[2] ^ v[3], 0);
  v[1] ^= 0xddn;
  rounds(4);
  out.writeBigUInt64LE(v[0] ^ v[1] ^ v[2] ^ v[3], 8);
  return out.toString('hex');
}

/** Text on both sides of the border between one byte and two. */
const texts = fc.array(fc.integer({ min: 0, max: 0x17f })).map((codes) => String.fromCharCode(...codes));

test('the hash is SipHash-2-4 with 128 bits: the published vectors (22)', () => {
  const hash = new KeyHash(SECRET);
  for (const [length, expected] of VECTORS) {
    const message = Uint8Array.from({ length }, (_, n) => n);
    assert.equal(hashOf(hash, Buffer.from(message).latin1Slice()), expected, `length ${length}`);
    assert.equal(reference(SECRET, message), expected, `the reference of this test, length ${length}`);
  }
});

test('the hash of any bytes under any secret is that of the reference', () => {
  const secrets = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const messages = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(secrets, messages, (secret, message) => {
      assert.equal(hashOf(new KeyHash(secret), Buffer.from(message).latin1Slice()), reference(secret, message));
    }),
  );
});

test('a part of a text has the hash of that part alone', () => {
  fc.assert(
    fc.property(texts, texts, texts, (before, part, after) => {
      const hash = new KeyHash(SECRET);
      const key = new Key();
      hash.hash(before + part + after, before.length, before.length + part.length, key);
      assert.equal(hex(key), hashOf(hash, part));
    }),
  );
});

test('text beyond latin1 is not cut to bytes: it collides neither with its low bytes nor with its UTF-16 bytes', () => {
  const hash = new KeyHash(SECRET);
  const wide = 'session-\u0141\u{1f41a}';
  const cut = Array.from({ length: wide.length }, (_, n) => String.fromCharCode(wide.charCodeAt(n) & 0xff)).join('');
  const bytes = Buffer.from(wide, 'utf16le').latin1Slice();
  const hashes = [wide, cut, bytes, Buffer.from(wide, 'utf8').latin1Slice()].map((text) => hashOf(hash, text));
  assert.equal(new Set(hashes).size, 4);
  assert.equal(hashOf(hash, wide), hashOf(new KeyHash(SECRET), wide));
  // Shifted into one word as if it were a byte, the first of these would run over into the second.
  assert.notEqual(hashOf(hash, '\u0141A'), hashOf(hash, 'AA'));
  assert.notEqual(hashOf(hash, '12345678\u0141A'), hashOf(hash, '12345678AA'));
});

test('different texts have different hashes', () => {
  const hash = new KeyHash(SECRET);
  fc.assert(
    fc.property(texts, texts, (one, other) => {
      assert.equal(hashOf(hash, one) === hashOf(hash, other), one === other);
    }),
  );
});

test('labels are kept apart: the same letters divided otherwise make another hash, and so does another secret', () => {
  const secret = Buffer.from('a secret of thirty-two bytes, ok');
  const lists = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['abc'],
    ['abc', ''],
    ['', 'abc'],
    [],
    ['a', 'b'],
    ['a\0\0\0\0b'],
    ['a\0\0\0\x01b'],
  ];
  const hashes = lists.map((labels) => hashOf(KeyHash.derive(secret, ...labels), 'key'));
  hashes.push(hashOf(KeyHash.derive(Buffer.concat([secret, Buffer.from('x')]), 'ab', 'c'), 'key'));
  assert.equal(new Set(hashes).size, lists.length + 1);
  assert.equal(hashOf(KeyHash.derive(secret, 'ab', 'c'), 'key'), hashes[0]);
});

test('a bad secret or a range outside of the text is refused', () => {
  assert.throws(() => new KeyHash(new Uint8Array(15)), { name: 'RangeError', message: /16 bytes, not 15/ });
  assert.throws(() => KeyHash.derive(new Uint8Array(15), 'x'), {
    name: 'RangeError',
    message: /15 bytes is too short/,
  });
  const hash = new KeyHash(SECRET);
  for (const [start, end] of [
    [-1, 2],
    [2, 1],
    [0, 4],
    [Number.NaN, 2],
    [0, Number.NaN],
  ] as const) {
    assert.throws(() => hash.hash('abc', start, end, new Key()), { name: 'RangeError', message: /does not lie/ });
  }
});
