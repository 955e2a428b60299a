import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Framing, Head, Parse } from '../../src/http1/head.ts';
import { HeaderId } from '../../src/http1/header-id.ts';
import { accepted, refused } from './read-head.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';

/** A request head with these field lines next to Host. */
function withFields(...lines: string[]): string {
  return `${GET}${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** The control bytes, without those that end a line or are white space. */
const CONTROLS = [...Array(32).keys(), 127].filter((b) => b !== 9 && b !== 10 && b !== 13);

describe('53: request framing that is refused', () => {
  const cases: Readonly<Record<string, string>> = {
    'Content-Length with Transfer-Encoding': withFields('Content-Length: 5', 'Transfer-Encoding: chunked'),
    'Transfer-Encoding with Content-Length': withFields('Transfer-Encoding: chunked', 'Content-Length: 5'),
    'Transfer-Encoding with Content-Length: 0': withFields('Transfer-Encoding: chunked', 'Content-Length: 0'),
    'Content-Lengths that differ': withFields('Content-Length: 5', 'Content-Length: 6'),
    'Content-Lengths that agree on two lines': withFields('Content-Length: 5', 'Content-Length: 5'),
    'a list of Content-Lengths': withFields('Content-Length: 5, 5'),
    'Content-Length +5': withFields('Content-Length: +5'),
    'Content-Length -5': withFields('Content-Length: -5'),
    'Content-Length 0x5': withFields('Content-Length: 0x5'),
    'Content-Length 5 5': withFields('Content-Length: 5 5'),
    'Content-Length 5.0': withFields('Content-Length: 5.0'),
    'Content-Length 1e3': withFields('Content-Length: 1e3'),
    'Content-Length "5"': withFields('Content-Length: "5"'),
    'Content-Length in digits of another script': withFields('Content-Length: \xb2'),
    'an empty Content-Length': withFields('Content-Length:'),
    'a Content-Length that overflows': withFields('Content-Length: 18446744073709551621'),
    'a Content-Length of 16 digits': withFields('Content-Length: 1000000000000000'),
    'an empty Transfer-Encoding': withFields('Transfer-Encoding:'),
    'Transfer-Encoding identity': withFields('Transfer-Encoding: identity'),
    'Transfer-Encoding gzip, chunked': withFields('Transfer-Encoding: gzip, chunked'),
    'Transfer-Encoding chunked, chunked': withFields('Transfer-Encoding: chunked, chunked'),
    'Transfer-Encoding "chunked"': withFields('Transfer-Encoding: "chunked"'),
    'Transfer-Encoding chunked;q=1': withFields('Transfer-Encoding: chunked;q=1'),
    'Transfer-Encoding xchunked': withFields('Transfer-Encoding: xchunked'),
    'Transfer-Encoding with a vertical tab': withFields('Transfer-Encoding: \x0bchunked'),
    'Transfer-Encoding with obs-text': withFields('Transfer-Encoding: chunked\xa0'),
    'two Transfer-Encodings': withFields('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    'gzip and chunked on two lines': withFields('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'),
    'Transfer-Encoding on HTTP/1.0': 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  };
  for (const [name, text] of Object.entries(cases)) {
    it(`53: refuses ${name}`, () => {
      refused(text);
    });
  }

  it('53: takes a Content-Length of digits only, with white space around it', () => {
    for (const value of ['5', ' 5', '\t5 \t', '005', '000000000000005']) {
      const facts = accepted(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length:${value}\r\n\r\n`);
      assert.equal(facts.contentLength, 5);
      assert.equal(facts.framing, Framing.length);
    }
    assert.equal(accepted(withFields('Content-Length: 0')).framing, Framing.none);
    assert.equal(accepted(withFields('Content-Length: 999999999999999')).contentLength, 999_999_999_999_999);
    assert.equal(accepted(withFields('cOnTeNt-LeNgTh: 5')).framing, Framing.length);
  });

  it('53: takes Transfer-Encoding: chunked in any case', () => {
    for (const value of ['chunked', ' Chunked', '  CHUNKED ']) {
      assert.equal(accepted(withFields(`Transfer-Encoding:${value}`)).framing, Framing.chunked);
    }
  });

  it('53: a name that only resembles a framing field frames nothing', () => {
    const facts = accepted(withFields('Content-Length-X: 5', 'XTransfer-Encoding: chunked', 'Content.Length: 9'));
    assert.equal(facts.framing, Framing.none);
    assert.equal(facts.contentLength, -1);
  });
});

describe('53: Host', () => {
  it('53: refuses an HTTP/1.1 request without Host, or with two', () => {
    assert.match(refused('GET / HTTP/1.1\r\n\r\n'), /no Host/);
    assert.match(refused('GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'), /two Host/);
    assert.match(refused('GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n'), /two Host/);
    assert.match(refused('GET http://a/ HTTP/1.1\r\n\r\n'), /no Host/);
  });

  it('takes an HTTP/1.0 request without Host', () => {
    assert.equal(accepted('GET / HTTP/1.0\r\n\r\n').host, '');
  });

  it('53: refuses an invalid Host', () => {
    for (const host of ['a b', 'a/b', 'a@b', 'a?b', 'a#b', 'a\\b', 'a:b', 'a:1:2', ':80', 'a:65536', 'a:-1']) {
      assert.match(refused(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /invalid Host/, host);
      assert.match(refused(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`), /invalid Host/, host);
    }
  });
});

describe('53: bytes that are refused', () => {
  it('53: refuses control bytes and NUL in names and values', () => {
    for (const byte of CONTROLS) {
      const c = String.fromCharCode(byte);
      refused(withFields(`X-${c}A: b`));
      refused(withFields(`${c}: b`));
      refused(withFields(`X-A: b${c}c`));
      refused(withFields(`X-A: ${c}`));
      refused(withFields(`X-A:${c}b`));
      refused(`${GET}X-A: b${c}\n\r\n`);
    }
  });

  it('53: judges every byte of a value for itself, wherever it stands and whatever stands next to it', () => {
    const head = new Head();
    const bytes = Buffer.alloc(64);
    for (let length = 1; length <= 9; length++) {
      for (let at = 0; at < length; at++) {
        for (const around of [' ', '~', '\x80', '\xff', '\t']) {
          for (let byte = 0; byte < 256; byte++) {
            const value = `x${around.repeat(at)}${String.fromCharCode(byte)}${around.repeat(length - at - 1)}x`;
            const end = bytes.write(`GET / HTTP/1.0\r\nA:${value}\r\n\r\n`, 'latin1');
            const allowed = byte === 9 || (byte >= 32 && byte !== 127);
            const result = head.parseRequest(bytes, 0, end);
            assert.equal(result, allowed ? Parse.done : Parse.bad, `byte ${byte} in ${JSON.stringify(value)}`);
            if (allowed) assert.equal(head.value(0), value);
          }
        }
      }
    }
  });

  it('53: refuses a name that is not a token', () => {
    for (const c of ' \t"(),/;<=>?@[\\]{}\x80\xe9\xff') refused(withFields(`X${c}Y: z`));
    assert.match(refused(withFields(': b')), /not a token/);
    assert.match(refused(withFields('X-A')), /not a token/);
  });

  it('53: refuses white space before the colon', () => {
    for (const space of [' ', '\t', '  ']) {
      refused(withFields(`Content-Length${space}: 5`));
      refused(withFields(`X-A${space}: b`));
    }
  });

  it('53: refuses folded lines, also as the first line', () => {
    for (const fold of [' b', '\tb', ' ', ' X: y']) {
      assert.match(refused(`${GET}X-A: a\r\n${fold}\r\n\r\n`), /folded/);
      assert.match(refused(`GET / HTTP/1.1\r\n${fold}\r\nHost: a\r\n\r\n`), /folded/);
    }
  });

  it('53: refuses bare CR, wherever it stands', () => {
    refused('GET / HTTP/1.1\rHost: a\r\n\r\n');
    refused('GET / HTTP/1.1\r\rHost: a\r\n\r\n');
    refused('GET /\r HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('GET\r/ HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\r\nX\r: y\r\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n');
    refused('\rGET / HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n');
  });

  it('53: refuses bare LF as a line end, wherever it stands', () => {
    refused('GET / HTTP/1.1\nHost: a\r\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\r\nX: y\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\r\nX:\n\r\n');
    refused('GET / HTTP/1.1\r\nHost: a\r\n\n');
    refused('\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
  });

  it('passes obs-text in values on as it is', () => {
    const value = String.fromCharCode(
      ...Array(128)
        .keys()
        .map((b) => b + 128),
    );
    assert.deepEqual(accepted(withFields(`X-A: ${value}`)).fields.at(-1), ['X-A', value, HeaderId.other]);
  });

  it('takes white space off both ends of a value and leaves it inside', () => {
    const { fields } = accepted(withFields('A:\t  b \t c \t', 'B:', 'C: \t ', 'D:e'));
    assert.deepEqual(
      fields.slice(1).map(([, value]) => value),
      ['b \t c', '', '', 'e'],
    );
  });
});
