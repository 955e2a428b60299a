import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Resumption } from '../../src/exchange/resumption.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { rangeLines, refusal, restOf, resumable } from '../../src/upstream/resume.ts';

type Fields = Readonly<Record<string, string | readonly string[] | null>>;

const WHOLE: Fields = { ETag: '"v1"', 'Content-Length': '1000', 'Accept-Ranges': 'bytes' };
const PART: Fields = { ...WHOLE, 'Content-Range': 'bytes 200-1199/5000' };

/** A response head; a field of `change` takes the place of one in `fields`, and null takes it away. */
function read(status: number, fields: Fields, change: Fields = {}): Head {
  let text = `HTTP/1.1 ${status} x\r\n`;
  for (const [name, value] of Object.entries({ ...fields, ...change })) {
    if (value === null) continue;
    for (const line of typeof value === 'string' ? [value] : value) text += `${name}: ${line}\r\n`;
  }
  const bytes = Buffer.from(`${text}\r\n`, 'latin1');
  const head = new Head();
  assert.equal(head.parseResponse(bytes, 0, bytes.length), Parse.done, head.problem);
  return head;
}

function eligible(status: number, fields: Fields, change: Fields = {}): Resumption | null {
  const head = read(status, fields, change);
  return resumable(head, head.responseFraming('GET'));
}

describe('48: what can be resumed', () => {
  test('200 with a known length and a strong ETag', () => {
    assert.deepEqual(eligible(200, WHOLE), { etag: '"v1"', encoding: '', first: 0, last: 999, total: '1000' });
    assert.deepEqual(eligible(200, WHOLE, { 'Content-Encoding': 'GZip' })?.encoding, 'gzip');
    assert.deepEqual(eligible(200, WHOLE, { 'Content-Encoding': ['a', 'b'] })?.encoding, 'a, b');
    assert.notEqual(eligible(200, WHOLE, { 'Accept-Ranges': null }), null);
    assert.equal(eligible(200, WHOLE, { ETag: '"\xe9!#~"' })?.etag, '"\xe9!#~"');
    assert.equal(eligible(200, WHOLE, { ETag: null, etag: '"x"' })?.etag, '"x"');
  });

  test('206 of one range', () => {
    assert.deepEqual(eligible(206, PART), { etag: '"v1"', encoding: '', first: 200, last: 1199, total: '5000' });
    assert.equal(eligible(206, PART, { 'Content-Range': 'Bytes 200-1199/*' })?.total, '*');
    assert.equal(eligible(206, PART, { 'Content-Range': 'bytes 200-1199/1200' })?.last, 1199);
  });

  for (const [what, status, change] of [
    ['another status', 203, {}],
    ['no ETag', 200, { ETag: null }],
    ['a weak ETag', 200, { ETag: 'W/"v1"' }],
    ['an ETag without quotes', 200, { ETag: 'v1' }],
    ['an ETag of one quote', 200, { ETag: '"' }],
    ['an ETag with a quote inside', 200, { ETag: '"a"b"' }],
    ['an ETag with a blank inside', 200, { ETag: '"a b"' }],
    ['an empty ETag field', 200, { ETag: '' }],
    ['two ETags', 200, { ETag: ['"a"', '"b"'] }],
    ['Accept-Ranges: none', 200, { 'Accept-Ranges': 'none' }],
    ['Accept-Ranges: None in a second line', 200, { 'Accept-Ranges': ['bytes', 'None'] }],
    ['trailers', 200, { Trailer: 'X-Sum' }],
    ['chunks', 200, { 'Content-Length': null, 'Transfer-Encoding': 'chunked' }],
    ['no length', 200, { 'Content-Length': null }],
    ['no body', 200, { 'Content-Length': '0' }],
    ['206 without Content-Range', 206, {}],
    ['206 with two', 206, { 'Content-Range': ['bytes 0-999/5000', 'bytes 0-999/5000'] }],
    ['206 whose range is shorter than its length', 206, { 'Content-Range': 'bytes 200-1198/5000' }],
    ['206 whose range is longer than its length', 206, { 'Content-Range': 'bytes 200-1200/5000' }],
    ['206 whose range is behind the end', 206, { 'Content-Range': 'bytes 200-1199/1199' }],
    ['206 whose range ends before it begins', 206, { 'Content-Range': 'bytes 1199-200/5000' }],
    ['206 in another unit', 206, { 'Content-Range': 'pages 200-1199/5000' }],
    ['206 without a range', 206, { 'Content-Range': 'bytes */5000' }],
    [
      '206 with numbers nobody can count with',
      206,
      { 'Content-Range': 'bytes 99999999999999999000-99999999999999999999/*' },
    ],
    [
      '206 of several ranges',
      206,
      { 'Content-Range': 'bytes 0-999/5000', 'Content-Type': 'Multipart/ByteRanges; boundary=x' },
    ],
  ] as const) {
    test(`not ${what}`, () => assert.equal(eligible(status, WHOLE, change), null));
  }
});

test('49: the rest is asked for from the first byte that the client does not have, under the same tag', () => {
  const whole = eligible(200, WHOLE)!;
  assert.equal(rangeLines(whole, 0), 'Range: bytes=0-\r\nIf-Range: "v1"');
  assert.equal(rangeLines(whole, 999), 'Range: bytes=999-\r\nIf-Range: "v1"');
  assert.equal(restOf(whole, 999), 1);
  const part = eligible(206, PART)!;
  assert.equal(rangeLines(part, 0), 'Range: bytes=200-1199\r\nIf-Range: "v1"');
  assert.equal(rangeLines(part, 300), 'Range: bytes=500-1199\r\nIf-Range: "v1"');
  assert.equal(restOf(part, 300), 700);
  // To the end of the file as it was: behind a 206 that names no end of it, the end is said.
  assert.equal(
    rangeLines(eligible(206, PART, { 'Content-Range': 'bytes 200-1199/1200' })!, 1),
    'Range: bytes=201-\r\nIf-Range: "v1"',
  );
  assert.equal(
    rangeLines(eligible(206, PART, { 'Content-Range': 'bytes 200-1199/*' })!, 1),
    'Range: bytes=201-1199\r\nIf-Range: "v1"',
  );
});

describe('50: what is taken for the rest', () => {
  const REST: Fields = { ETag: '"v1"', 'Content-Length': '600', 'Content-Range': 'bytes 400-999/1000' };
  const judge = (status: number, change: Fields, first: Fields = {}): string => {
    const head = read(status, REST, change);
    return refusal(eligible(200, WHOLE, first)!, 400, head, head.responseFraming('GET'));
  };

  for (const [what, change, first] of [
    ['exactly the rest', {}, {}],
    ['the unit in other letters', { 'Content-Range': 'BYTES 400-999/1000' }, {}],
    ['the same coding', { 'Content-Encoding': 'BR' }, { 'Content-Encoding': 'br' }],
    ['in chunks', { 'Content-Length': null, 'Transfer-Encoding': 'chunked' }, {}],
    ['to the end of the connection', { 'Content-Length': null }, {}],
  ] as const) {
    test(what, () => assert.equal(judge(206, change, first), ''));
  }

  for (const [what, status, change, first] of [
    ['200', 200, {}, {}],
    ['200 with all of it', 200, { 'Content-Range': null, 'Content-Length': '1000' }, {}],
    ['304', 304, {}, {}],
    ['416', 416, {}, {}],
    ['503', 503, {}, {}],
    ['no ETag', 206, { ETag: null }, {}],
    ['another ETag', 206, { ETag: '"v2"' }, {}],
    ['an ETag in other letters', 206, { ETag: '"V1"' }, {}],
    ['the same ETag, but weak', 206, { ETag: 'W/"v1"' }, {}],
    ['two ETags', 206, { ETag: ['"v1"', '"v2"'] }, {}],
    ['a coding where there was none', 206, { 'Content-Encoding': 'gzip' }, {}],
    ['no coding where there was one', 206, {}, { 'Content-Encoding': 'gzip' }],
    ['another coding', 206, { 'Content-Encoding': 'br' }, { 'Content-Encoding': 'gzip' }],
    ['one coding more', 206, { 'Content-Encoding': ['gzip', 'br'] }, { 'Content-Encoding': 'gzip' }],
    ['no Content-Range', 206, { 'Content-Range': null }, {}],
    ['two of them', 206, { 'Content-Range': ['bytes 400-999/1000', 'bytes 400-999/1000'] }, {}],
    ['one byte too late', 206, { 'Content-Range': 'bytes 401-999/1000', 'Content-Length': '599' }, {}],
    ['one byte too early', 206, { 'Content-Range': 'bytes 399-999/1000', 'Content-Length': '601' }, {}],
    ['one byte too few', 206, { 'Content-Range': 'bytes 400-998/1000', 'Content-Length': '599' }, {}],
    ['of a larger file', 206, { 'Content-Range': 'bytes 400-999/1001' }, {}],
    ['of a file of unknown size', 206, { 'Content-Range': 'bytes 400-999/*' }, {}],
    ['with blanks in its range', 206, { 'Content-Range': 'bytes 400 - 999/1000' }, {}],
    ['a length that is not that of the range', 206, { 'Content-Length': '599' }, {}],
    ['no body', 206, { 'Content-Length': '0' }, {}],
    ['several ranges', 206, { 'Content-Type': 'multipart/byteranges; boundary=x' }, {}],
  ] as const) {
    test(`not: ${what}`, () => assert.notEqual(judge(status, change, first), ''));
  }
});

test('48-50: a resumption fits the answer of a server that follows RFC 9110, wherever it broke, and no answer to another range', () => {
  const size = fc.integer({ min: 1, max: 2 ** 40 });
  const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      size,
      share,
      share,
      share,
      fc.boolean(),
      fc.integer({ min: -3, max: 3 }),
      (total, a, b, n, part, off) => {
        const first = part ? Math.floor(a * total) : 0;
        const last = part ? first + Math.floor(b * (total - first)) : total - 1;
        const length = last - first + 1;
        const range: Fields = part ? { 'Content-Range': `bytes ${first}-${last}/${total}` } : {};
        const resumption = eligible(part ? 206 : 200, { ETag: '"x"', 'Content-Length': String(length), ...range });
        assert.ok(resumption);
        const sent = Math.floor(n * length);
        const [, from, to] = /^Range: bytes=(\d+)-(\d*)\r\nIf-Range: "x"$/.exec(rangeLines(resumption, sent)) ?? [];
        const begin = Number(from) + off;
        const end = to === '' ? total - 1 : Number(to);
        if (begin < 0 || begin > end) return;
        const answer = read(206, {
          ETag: '"x"',
          'Content-Length': String(end - begin + 1),
          'Content-Range': `bytes ${begin}-${end}/${total}`,
        });
        const why = refusal(resumption, sent, answer, answer.responseFraming('GET'));
        assert.equal(why === '', off === 0, why);
        assert.equal(restOf(resumption, sent), length - sent);
      },
    ),
  );
});
