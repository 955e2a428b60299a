import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { COOKIE_LENGTH } from '../../src/affinity/cookie-codec.ts';
import { KnownCookies } from '../../src/affinity/known-cookies.ts';
import { Key } from '../../src/keys/key.ts';
import { threadMemory } from '../../src/limits/thread-memory.ts';
import { randomKeys } from '../sessions/random-keys.ts';

const PLACES = 64;
const randomText = (): string => randomBytes((COOKIE_LENGTH / 4) * 3).toString('base64url');

/** Remembers a cookie as its affinity does: after it was looked for. */
function remember(known: KnownCookies, text: string, key: Key): void {
  assert.equal(known.find(text, new Key()), false);
  known.remember(key);
}

test('a text is known with its own key, or not at all, whatever was remembered before', () => {
  const texts = Array.from({ length: 4 * PLACES }, randomText);
  const keys = randomKeys(texts.length, 5);
  fc.assert(
    fc.property(fc.array(fc.nat(texts.length - 1), { maxLength: 3 * texts.length }), (order) => {
      const known = new KnownCookies(PLACES);
      const seen = new Set<number>();
      const key = new Key();
      for (const n of order) {
        key.set(1, 2, 3, 4);
        const isKnown = known.find(texts[n]!, key);
        assert.ok(!isKnown || seen.has(n));
        assert.deepEqual({ ...key }, isKnown ? { ...keys[n]! } : { a: 1, b: 2, c: 3, d: 4 });
        if (!isKnown) known.remember(keys[n]!);
        // It has its place until others take it.
        assert.ok(known.find(texts[n]!, key));
        seen.add(n);
      }
    }),
    { numRuns: 200 },
  );
});

test('texts that differ in one character are different, whichever it is and whatever it is changed to', () => {
  const known = new KnownCookies(PLACES);
  const text = randomText();
  const [key] = randomKeys(1, 1) as [Key];
  remember(known, text, key);
  for (let at = 0; at < COOKIE_LENGTH; at++) {
    for (const other of ['!', '\u0000', '\u00e9', '\u00ff', text[at] === 'A' ? 'B' : 'A']) {
      assert.equal(known.find(text.slice(0, at) + other + text.slice(at + 1), new Key()), false, `${at} ${other}`);
    }
  }
  const found = new Key();
  assert.ok(known.find(text, found) && found.equals(key));
});

test('half as many as there are places are nearly all remembered, and at most as many as there are', () => {
  const places = 4_096;
  const known = new KnownCookies(places);
  const half = Array.from({ length: places / 2 }, randomText);
  const keys = randomKeys(places / 2, 3);
  for (const [n, text] of half.entries()) remember(known, text, keys[n]!);
  const share = half.filter((text) => known.find(text, new Key())).length / half.length;
  // Four places each, taken by two on average: more than four share them now and then.
  assert.ok(share > 0.95, `${share}`);
  const more = Array.from({ length: places * 3 }, randomText);
  for (const text of more) remember(known, text, keys[0]!);
  assert.ok([...half, ...more].filter((text) => known.find(text, new Key())).length <= places);
});

test('nothing is known at first, not even a text of zeros', () => {
  const known = new KnownCookies(PLACES);
  assert.equal(known.find('\u0000'.repeat(COOKIE_LENGTH), new Key()), false);
  remember(known, randomText(), randomKeys(1, 1)[0]!);
  assert.equal(known.find('\u0000'.repeat(COOKIE_LENGTH), new Key()), false);
});

test('what is known stays known, with its key, while there come to be more places', () => {
  const known = new KnownCookies(16_384);
  const texts = Array.from({ length: 6_000 }, randomText);
  const keys = randomKeys(texts.length, 9);
  const found = new Key();
  for (const [n, text] of texts.entries()) {
    remember(known, text, keys[n]!);
    assert.ok(known.find(text, found) && found.equals(keys[n]!));
  }
  let count = 0;
  for (const [n, text] of texts.entries()) {
    if (!known.find(text, found)) continue;
    assert.ok(found.equals(keys[n]!));
    count++;
  }
  assert.ok(count > texts.length * 0.9, `${count}`);
});

test('what is cleared knows no cookie, takes no memory, and remembers again', () => {
  const known = new KnownCookies();
  const texts = Array.from({ length: 20_000 }, randomText);
  const keys = randomKeys(texts.length, 7);
  for (const [n, text] of texts.entries()) remember(known, text, keys[n]!);
  threadMemory.collect();
  const before = threadMemory.used;
  known.clear();
  threadMemory.collect();
  assert.ok(before - threadMemory.used > 3_000_000, `${before - threadMemory.used} bytes`);
  for (const [n, text] of texts.slice(0, 5_000).entries()) {
    remember(known, text, keys[n]!);
    const key = new Key();
    assert.equal(known.find(text, key), true);
    assert.deepEqual({ ...key }, { ...keys[n]! });
  }
});
