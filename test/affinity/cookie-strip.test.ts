import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stripCookies } from '../../src/affinity/cookie-strip.ts';

/** As it stands in a head: other text before and behind the value. */
function strip(value: string, names: readonly string[] = ['limpet']): string | null {
  const text = `Cookie: ${value}\r\nX-Next: limpet=next; limpet\r\n\r\n`;
  return stripCookies(text, 8, 8 + value.length, names);
}

const table: readonly (readonly [string, string | null])[] = [
  ['limpet=x', ''],
  ['limpet=x;', ''],
  ['limpet=x; limpet=y', ''],
  ['limpet=x;limpet=y;;limpet=', ''],
  ['limpet=', ''],
  ['limpet=x; a=b', 'a=b'],
  ['limpet=x;a=b', 'a=b'],
  ['limpet=x;  \ta=b', 'a=b'],
  ['a=b; limpet=x', 'a=b'],
  ['a=b;limpet=x', 'a=b'],
  ['a=b ; limpet=x', 'a=b'],
  ['a=b; limpet=x; c=d', 'a=b; c=d'],
  ['a=b;limpet=x;c=d', 'a=b;c=d'],
  ['a=b;  limpet=x;  c=d', 'a=b;  c=d'],
  ['limpet=1; a=b; limpet=2; c=d; limpet=3', 'a=b; c=d'],
  ['limpet=1; limpet=2; a=b', 'a=b'],
  ['a="x; limpet=y"', 'a="x'],
  ['a="x"; limpet="y"; b="z"', 'a="x"; b="z"'],
  ['a=b; limpet =x; c=d', 'a=b; c=d'],
  ['a=b; limpet; c=d', null],
  ['limpet', null],
  ['a=limpet', null],
  ['a=b; xlimpet=c', null],
  ['limpets=c; limpet-2=d', null],
  ['Limpet=c', null],
  ['a=b limpet=c', null],
  ['a=b; c=d', null],
  ['', null],
  ['a=b\xa0; limpet=x', 'a=b\xa0'],
  ['\xa0; limpet=x', '\xa0'],
  ['a; limpet=x; b', 'a; b'],
  ['=a; limpet=x', '=a'],
];

for (const [value, left] of table) {
  test(`of ${JSON.stringify(value)} ${left === null ? 'nothing is taken' : `${JSON.stringify(left)} is left`} (behaviours 8, 73)`, () => {
    assert.equal(strip(value), left);
  });
}

test('cookies of several pools are taken out together', () => {
  assert.equal(strip('a=b; limpet-api=1; c=d; limpet=2', ['limpet', 'limpet-api']), 'a=b; c=d');
  assert.equal(strip('limpet-api=1; limpet=2', ['limpet', 'limpet-api']), '');
  assert.equal(strip('limpet=2', []), null);
});

test('whatever the cookies of the application are, they reach it byte for byte and in order (behaviour 73)', () => {
  const byte = fc
    .oneof(fc.integer({ min: 0x21, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }))
    .map((code) => String.fromCharCode(code));
  const other = fc
    .array(byte, { minLength: 1, maxLength: 12 })
    .map((bytes) => bytes.join('').replaceAll(';', ''))
    .filter((pair) => pair !== '' && !pair.startsWith('limpet='));
  const ours = fc.array(byte, { maxLength: 8 }).map((bytes) => `limpet=${bytes.join('').replaceAll(';', '')}`);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(other, ours), { minLength: 1, maxLength: 10 }),
      fc.constantFrom('; ', ';'),
      (pairs, separator) => {
        const rest = pairs.filter((pair) => !pair.startsWith('limpet='));
        const expected = rest.length === pairs.length ? null : rest.join(separator);
        assert.equal(strip(pairs.join(separator)), expected);
      },
    ),
    { numRuns: 2000 },
  );
});
