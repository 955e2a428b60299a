import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkedDecoder } from '../../src/http1/chunked.ts';
import { Parse } from '../../src/http1/parse.ts';
import { type ChunkedOutcome, readChunked } from './chunked-reader.ts';

/** The outcome of `text` in one read, which has to be that of every pair of reads and of single bytes. */
function outcome(text: string, wire = false): ChunkedOutcome {
  const whole = readChunked(text, wire);
  const single = Array.from({ length: Math.max(text.length - 1, 0) }, (_, i) => i + 1);
  for (const cuts of [...single.map((cut) => [cut]), single]) {
    const other = readChunked(text, wire, cuts);
    assert.equal(other.result, whole.result, `cut at ${cuts}`);
    assert.equal(other.problem, whole.problem);
    assert.equal(other.trailers, whole.trailers);
    if (whole.result === Parse.bad) continue;
    assert.equal(other.taken, whole.taken);
    assert.equal(
      wire ? readChunked(`${other.out}0\r\n\r\n`, false).out : other.out,
      wire ? readChunked(`${whole.out}0\r\n\r\n`, false).out : whole.out,
    );
  }
  return whole;
}

function refused(text: string): string {
  for (const wire of [true, false]) assert.equal(outcome(text, wire).result, Parse.bad, JSON.stringify(text));
  return outcome(text).problem;
}

describe('chunked bodies', () => {
  it('gives the data, or the data in its framing', () => {
    const body = '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n';
    assert.deepEqual(outcome(body), {
      result: Parse.done,
      problem: '',
      out: 'hello world',
      trailers: '\r\n',
      taken: body.length,
    });
    assert.equal(outcome(body, true).out, '5\r\nhello\r\n6\r\n world\r\n');
  });

  it('takes sizes in any case and with zeros in front; zeros do not go on', () => {
    assert.equal(outcome('A\r\n0123456789\r\n0\r\n\r\n', true).out, 'A\r\n0123456789\r\n');
    assert.equal(outcome('a\r\n0123456789\r\n000\r\n\r\n').out, '0123456789');
    assert.equal(outcome('00005\r\nhello\r\n0\r\n\r\n', true).out, '5\r\nhello\r\n');
    assert.equal(outcome('0000000000000\r\n\r\n').result, Parse.done);
  });

  it('data may look like framing', () => {
    assert.equal(outcome('7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n').out, '0\r\n\r\n\r\n');
  });

  it('stops at the end of the message', () => {
    const { taken, result } = outcome('1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n');
    assert.equal(result, Parse.done);
    assert.equal(taken, 11);
    const decoder = new ChunkedDecoder();
    decoder.reset(true, 100);
    const bytes = Buffer.from('0\r\n\r\nx');
    assert.equal(decoder.feed(bytes, 0, 5), Parse.done);
    assert.equal(decoder.feed(bytes, 5, 6), Parse.bad);
  });

  it('asks for more until the message has ended', () => {
    const body = '3\r\nabc\r\n0\r\nX: y\r\n\r\n';
    for (let length = 0; length < body.length; length++) {
      assert.equal(readChunked(body.slice(0, length), true).result, Parse.more, `after ${length} bytes`);
    }
  });

  it('extensions are read and do not go on', () => {
    for (const extension of [
      ';a',
      ';a=b',
      ';a="b"',
      ';a=""',
      ';a;b=c;d="e;\\" f\t\xff"',
      ';a="\\\\"',
      ";!#$%&'*+-.^_`|~=x",
    ]) {
      const body = `5${extension}\r\nhello\r\n0${extension}\r\n\r\n`;
      assert.equal(outcome(body).out, 'hello', extension);
      assert.equal(outcome(body, true).out, '5\r\nhello\r\n', extension);
    }
  });

  it('58: keeps the trailer section as it came', () => {
    assert.equal(outcome('0\r\nA: b\r\nC: d\r\n\r\n').trailers, 'A: b\r\nC: d\r\n\r\n');
    assert.equal(outcome('1\r\nx\r\n0\r\n\r\n').trailers, '\r\n');
  });

  it('passes framing on untouched where it can, in one piece', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset(true, 100);
    const bytes = Buffer.from('5\r\nhello\r\n3\r\nabc\r\n2\r\n');
    assert.equal(decoder.feed(bytes, 0, bytes.length), Parse.more);
    assert.deepEqual([decoder.count, decoder.before[0], decoder.start[0], decoder.end[0]], [1, '', 0, bytes.length]);
  });

  it('keeps a size line back until all of it has come', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset(true, 100);
    const bytes = Buffer.from('1\r\nx\r\n10\r\n');
    assert.equal(decoder.feed(bytes, 0, 8), Parse.more);
    assert.deepEqual([decoder.count, decoder.start[0], decoder.end[0]], [1, 0, 6]);
    assert.equal(decoder.feed(bytes, 8, 10), Parse.more);
    assert.deepEqual([decoder.count, decoder.before[0]], [1, '10\r\n']);
    assert.equal(decoder.start[0], decoder.end[0]);
  });
});

describe('53: chunk framing that is refused', () => {
  it('53: a chunk size that is not pure hex', () => {
    for (const size of [
      '',
      'g',
      'x5',
      '0x5',
      '+5',
      '-5',
      '5 ',
      ' 5',
      '5\t',
      '5.',
      '5,5',
      '\n5',
      '"5"',
      '\xb2',
      '5\0',
      '\r\n5',
    ]) {
      refused(`${size}\r\nhello\r\n0\r\n\r\n`);
    }
  });

  it('53: a chunk size that overflows', () => {
    assert.match(refused('10000000000000000\r\n'), /too large/);
    assert.match(refused('ffffffffffffffff\r\n'), /too large/);
    assert.match(refused('100000000000005\r\nhello\r\n0\r\n\r\n'), /too large/);
    assert.match(refused('00000000000005\r\nhello\r\n0\r\n\r\n'), /too large/);
    assert.equal(outcome('fffffffffffff\r\nx').result, Parse.more);
  });

  it('53: a size line that does not end in CRLF', () => {
    for (const line of ['5\n', '5\r', '5\rX', '5\r\r\n', '5;a\n', '5;a\r\r\n', '5;a="b\n', '0\n', '0\rX']) {
      refused(`${line}hello\r\n0\r\n\r\n`);
    }
  });

  it('53: a chunk whose data is not followed by CRLF', () => {
    for (const behind of ['', '\n', '\r', 'x', 'x\r\n', '\rx', '\n\r', '\r\r\n', ' \r\n']) {
      refused(`5\r\nhello${behind}0\r\n\r\n`);
    }
  });

  it('a malformed extension', () => {
    for (const extension of [
      ';',
      '; ',
      ';;a',
      '; ;a',
      ';a ',
      ';a\t',
      ';a=',
      ';a= ',
      ';a=b ',
      ';a="b" ',
      ';a b',
      ';a=b c',
      ';a= =b',
      ' a',
      ' =a',
      ';=b',
      ';a=b=c',
      ';a="b',
      ';a="b"c',
      ';a="b\\"',
      ';a=b"c"',
      ';a\0',
      ';a="\0"',
      ';a="\\\0"',
      ';\xff',
      ';a=b,c',
    ]) {
      refused(`5${extension}\r\nhello\r\n0\r\n\r\n`);
      refused(`5\r\nhello\r\n0${extension}\r\n\r\n`);
    }
  });

  it('F11: white space where an extension may have it (RFC 9112 7.1.1) is taken, and goes no further', () => {
    for (const extension of [
      ' ;a',
      '\t;a',
      ' \t ;a',
      '; a',
      ';\ta',
      ';a =b',
      ';a= b',
      ';a \t= \tb',
      ';a ;b',
      ';a=b ;c',
      ';a="b c" ; d = e',
    ]) {
      for (const text of [`5${extension}\r\nhello\r\n0\r\n\r\n`, `5\r\nhello\r\n0${extension}\r\n\r\n`]) {
        const read = readChunked(text, true);
        assert.equal(read.problem, '', text);
        assert.equal(read.out, '5\r\nhello\r\n', text);
      }
    }
    assert.match(readChunked(`5${' '.repeat(20_000)};a\r\n`, true).problem, /too long/);
  });

  it('F11: sizes of responses may have spaces behind them, which go no further; those of requests may not', () => {
    for (const padding of [' ', '  ', ' '.repeat(1_000)]) {
      const text = `5${padding}\r\nhello\r\n00${padding}\r\n\r\n`;
      assert.equal(readChunked(text, true, [], 16_384, true).out, '5\r\nhello\r\n');
      assert.equal(readChunked(text, false, [], 16_384, true).out, 'hello');
      refused(text);
    }
    for (const padding of ['\t', ' \t', '\t ', ' a', ' \n', '\x0b', '\xa0', ' 5', ' '.repeat(20_000)])
      assert.notEqual(readChunked(`5${padding}\r\nhello\r\n0\r\n\r\n`, true, [], 16_384, true).problem, '', padding);
  });

  it('extensions without end, in one chunk or over many', () => {
    assert.match(readChunked(`5;${'a'.repeat(20_000)}`, true).problem, /too long/);
    assert.match(readChunked(`1;${'a'.repeat(999)}\r\nx\r\n`.repeat(17), true).problem, /too long/);
    assert.equal(readChunked(`1;${'a'.repeat(999)}\r\nx\r\n`.repeat(16), true).result, Parse.more);
  });

  it('a trailer section over its limit, or with bare CR or LF', () => {
    const text = `0\r\nX: ${'y'.repeat(100)}\r\n\r\n`;
    assert.equal(readChunked(text, true, [], 107).result, Parse.done);
    assert.match(readChunked(text, true, [], 106).problem, /too long/);
    assert.match(readChunked(text, true, [10, 20, 60, 80], 106).problem, /too long/);
    refused('0\r\nA: b\n\r\n');
    refused('0\r\nA: b\rC: d\r\n\r\n');
    refused('0\r\n\n');
    refused('0\r\nA: b\r\n\n');
    refused('0\r\nA: b\r\n\rX');
  });
});
