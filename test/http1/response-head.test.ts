import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Framing, Head, Parse } from '../../src/http1/head.ts';
import { acceptedResponse, readInEverySplit, refusedResponse } from './read-head.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

function withFields(...lines: string[]): string {
  return `${OK}${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

function parsed(text: string): Head {
  const head = new Head();
  const bytes = Buffer.from(text, 'latin1');
  assert.equal(head.parseResponse(bytes, 0, bytes.length), Parse.done, head.problem);
  return head;
}

describe('54: status line', () => {
  it('54: takes HTTP/1.0 and HTTP/1.1 with a status of three digits and any reason', () => {
    for (const [line, status, reason] of [
      ['HTTP/1.1 200 OK', 200, 'OK'],
      ['HTTP/1.0 404 Not Found', 404, 'Not Found'],
      ['HTTP/1.1 200 ', 200, ''],
      ['HTTP/1.1 301', 301, ''],
      ['HTTP/1.1 999 \tx\xff ', 999, '\tx\xff '],
      ['HTTP/1.1 100 Continue', 100, 'Continue'],
    ] as const) {
      const facts = acceptedResponse(`${line}\r\n\r\n`);
      assert.equal(facts.status, status);
      assert.equal(facts.reason, reason);
      assert.equal(facts.minor, line.startsWith('HTTP/1.1') ? 1 : 0);
    }
  });

  it('54: refuses everything else', () => {
    for (const line of [
      'HTTP/1.a 200 OK',
      'HTTP/2.0 200 OK',
      'HTTP/0.9 200 OK',
      'HTTP/11.1 200 OK',
      'HTTP/1.01 200 OK',
      'http/1.1 200 OK',
      'ICE/1.1 200 OK',
      ' HTTP/1.1 200 OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1\t200 OK',
      'HTTP/1.1 20 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/1.1 099 OK',
      'HTTP/1.1 +20 OK',
      'HTTP/1.1 20x OK',
      'HTTP/1.1 200\tOK',
      'HTTP/1.1 200OK',
      'GET / HTTP/1.1',
      'garbage',
      '<html>',
    ]) {
      refusedResponse(`${line}\r\n\r\n`);
    }
    // No empty line is skipped: nothing may come before the answer to a request.
    refusedResponse(`\r\n${OK}\r\n`);
    refusedResponse(`\n${OK}\r\n`);
  });

  it('54, 72: refuses control bytes in the reason phrase', () => {
    for (let byte = 0; byte < 32; byte++) {
      if (byte === 9) continue;
      refusedResponse(`HTTP/1.1 200 O${String.fromCharCode(byte)}K\r\n\r\n`);
      if (byte !== 13) refusedResponse(`HTTP/1.1 200 OK${String.fromCharCode(byte)}\n\r\n`);
    }
    refusedResponse('HTTP/1.1 200 O\x7fK\r\n\r\n');
    refusedResponse('HTTP/1.1 200 OK\rX: y\r\n\r\n');
    refusedResponse('HTTP/1.1 200 OK\r\r\n\r\n');
    refusedResponse('HTTP/1.1 200 OK\nX: y\r\n\r\n');
  });
});

describe('54: response fields', () => {
  const cases: Readonly<Record<string, string>> = {
    'Content-Length with Transfer-Encoding': withFields('Content-Length: 5', 'Transfer-Encoding: chunked'),
    'two Content-Lengths that differ': withFields('Content-Length: 5', 'Content-Length: 6'),
    'a third Content-Length that differs': withFields('Content-Length: 5', 'Content-Length: 5', 'Content-Length: 50'),
    'the same Content-Length twice with Transfer-Encoding': withFields(
      'Content-Length: 5',
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
    ),
    'a list of Content-Lengths': withFields('Content-Length: 5,5'),
    'Content-Length +5': withFields('Content-Length: +5'),
    'Content-Length 0x5': withFields('Content-Length: 0x5'),
    'an empty Content-Length': withFields('Content-Length: '),
    'Transfer-Encoding gzip': withFields('Transfer-Encoding: gzip'),
    'Transfer-Encoding gzip, chunked': withFields('Transfer-Encoding: gzip, chunked'),
    'Transfer-Encoding chunked, identity': withFields('Transfer-Encoding: chunked, identity'),
    'two Transfer-Encodings': withFields('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    'Transfer-Encoding in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'white space before the colon': withFields('Content-Length : 5'),
    'a name that is not a token': withFields('en-US Content-Type: text/xml'),
    'a folded line': withFields('X-A: b', ' c'),
    'a folded first line': withFields(' X: y'),
    'a bare CR': withFields('X-A: b\rX-B: c'),
    'a bare LF': withFields('X-A: b\nX-B: c'),
    'a NUL in a value': withFields('X-A: b\0c'),
    'an escape in a value': withFields('X-A: \x1b[2J'),
    'a NUL in a name': withFields('X\0A: b'),
    'an invalid Host': withFields('Host: a b'),
  };
  for (const [name, text] of Object.entries(cases)) {
    it(`54: refuses ${name}`, () => {
      refusedResponse(text);
    });
  }

  it('more fields than allowed is an outcome of its own', () => {
    assert.equal(readInEverySplit('response', `${OK}${'X: y\r\n'.repeat(6)}\r\n`, 5).result, Parse.tooMany);
  });
});

describe('55: framing of a response', () => {
  it('55: HEAD, 204, 304 and 1xx have no body, whatever the fields say', () => {
    for (const fields of ['Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', '']) {
      for (const status of [100, 101, 103, 199, 204, 304]) {
        assert.equal(parsed(`HTTP/1.1 ${status} X\r\n${fields}\r\n`).responseFraming('GET'), Framing.none);
      }
      assert.equal(parsed(`${OK}${fields}\r\n`).responseFraming('HEAD'), Framing.none);
    }
    assert.equal(parsed(withFields('Content-Length: 5')).contentLength, 5);
  });

  it('the others have a length, chunks, or end with the connection', () => {
    for (const status of [200, 201, 205, 206, 301, 400, 404, 500, 999]) {
      const line = `HTTP/1.1 ${status} X\r\n`;
      assert.equal(parsed(`${line}Content-Length: 5\r\n\r\n`).responseFraming('GET'), Framing.length);
      assert.equal(parsed(`${line}Content-Length: 0\r\n\r\n`).responseFraming('POST'), Framing.none);
      assert.equal(parsed(`${line}Transfer-Encoding: chunked\r\n\r\n`).responseFraming('GET'), Framing.chunked);
      assert.equal(parsed(`${line}\r\n`).responseFraming('GET'), Framing.untilClose);
    }
    assert.equal(parsed('HTTP/1.0 200 OK\r\n\r\n').responseFraming('GET'), Framing.untilClose);
  });

  it('tells whether the connection stays', () => {
    assert.equal(parsed(withFields()).keepAlive, true);
    assert.equal(parsed(withFields('Connection: close')).keepAlive, false);
    assert.equal(parsed('HTTP/1.0 200 OK\r\n\r\n').keepAlive, false);
    assert.equal(parsed('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n').keepAlive, true);
  });
});
