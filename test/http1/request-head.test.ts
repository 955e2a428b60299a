import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionToken, Framing, Head, Parse } from '../../src/http1/head.ts';
import { HeaderId } from '../../src/http1/header-id.ts';
import { accepted, readInEverySplit, refused } from './read-head.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';

/** A request head with these field lines next to Host. */
function withFields(...lines: string[]): string {
  return `${GET}${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** The control bytes, without those that end a line or are white space. */
const CONTROLS = [...Array(32).keys(), 127].filter((b) => b !== 9 && b !== 10 && b !== 13);

describe('53: request line', () => {
  it('53: refuses a method that is not a token in capitals', () => {
    for (const method of ['', 'G ET', 'G\tET', 'GET(', 'G/T', 'G"T', 'GE\xc9', 'get', 'gET', 'Head', '{GET}']) {
      refused(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    }
  });

  it('takes methods that it does not know', () => {
    for (const method of ['GET', 'POST', 'PROPFIND', 'X', 'M-SEARCH', "A!#$%&'*+-.^_`|~1"]) {
      assert.equal(accepted(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).method, method);
    }
  });

  it('F11: reads a later minor version as HTTP/1.1 (RFC 9110 2.5)', () => {
    for (let minor = 0; minor <= 9; minor++) {
      const bytes = Buffer.from(`GET / HTTP/1.${minor}\r\nHost: a\r\n\r\n`);
      const head = new Head();
      assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
      assert.deepEqual([head.minor, head.plainVersion], [minor === 0 ? 0 : 1, minor === 1]);
    }
  });

  it('53: refuses a version other than HTTP/1.x', () => {
    const versions = ['HTTP/2.0', 'HTTP/0.9', 'HTTP/1.11', 'HTTP/01.1', 'http/1.1', 'HTTP/1', 'HTTP/1.1x'];
    for (const version of [...versions, 'HTTP/1.1 ', 'HTTP 1.1', 'HTTP/ 1.1', 'ICE/1.0', 'HTTP/1,1', '', ' HTTP/1.1']) {
      refused(`GET / ${version}\r\nHost: a\r\n\r\n`);
    }
    refused('GET /\r\nHost: a\r\n\r\n');
    refused('GET /\r\n\r\n');
  });

  it('53: refuses other white space than one space between the parts', () => {
    refused('GET  / HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('GET /  HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('GET /\tHTTP/1.1\r\nHost: a\r\n\r\n');
    refused(' GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  });

  it('53: refuses a target with a byte that no target has', () => {
    for (const byte of [
      ...CONTROLS,
      9,
      10,
      13,
      0x23,
      ...Array(128)
        .keys()
        .map((b) => b + 128),
    ]) {
      refused(`GET /a${String.fromCharCode(byte)}b HTTP/1.1\r\nHost: a\r\n\r\n`);
      refused(`GET /?${String.fromCharCode(byte)} HTTP/1.1\r\nHost: a\r\n\r\n`);
    }
  });

  it('skips empty lines before the request line', () => {
    const facts = accepted('\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(facts.path, '/a');
    assert.equal(facts.consumed, '\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n'.length);
  });

  it('tells path and query apart', () => {
    const head = new Head();
    for (const [target, path, query] of [
      ['/', '/', ''],
      ['/a/b', '/a/b', ''],
      ['/a?b', '/a', '?b'],
      ['/a?b?c', '/a', '?b?c'],
      ['/?', '/', '?'],
      ['//x/?/', '//x/', '?/'],
    ] as const) {
      const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\nX: ?\r\n\r\n`);
      assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
      assert.equal(head.path, path);
      assert.equal(head.text.slice(head.pathEnd, head.targetEnd), query);
      assert.equal(head.originForm, target);
    }
  });
});

describe('absolute form', () => {
  it('53: refuses a target whose authority differs from Host', () => {
    for (const [target, host] of [
      ['http://a/', 'b'],
      ['http://a:81/', 'a'],
      ['http://a/', 'a:81'],
      ['https://a/', 'a:80'],
      ['http://a/', 'a:443'],
      ['http://a./', 'a'],
      ['http://[::1]/', '[::2]'],
    ]) {
      assert.match(refused(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /Host differs/, `${target} ${host}`);
    }
  });

  it('53: refuses an invalid authority', () => {
    for (const authority of ['', 'u@a', 'u:p@a', 'a:b', 'a:', 'a%41', '[::1', '::1', '[::g]', 'a,b']) {
      const text = `GET http://${authority}/ HTTP/1.0\r\n\r\n`;
      if (authority === 'a:') accepted(text);
      else assert.match(refused(text), /invalid authority/, authority);
    }
  });

  it('53: refuses other schemes and targets that are no address', () => {
    for (const target of ['ftp://a/', 'a', 'a/b', 'http:/a', 'http:a', 'httpx://a/', 'ws://a/', '?a', 'http', '.']) {
      refused(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    }
  });

  it('the target wins over a Host that is equal but for case and default port, and gives the path', () => {
    for (const [target, host, origin, path] of [
      ['http://Shop.Example/a?b', 'shop.example', '/a?b', '/a'],
      ['http://shop.example:80/', 'shop.example', '/', '/'],
      ['http://shop.example', 'shop.example:80', '/', '/'],
      ['http://shop.example:080/', 'shop.example:', '/', '/'],
      ['HTTPS://shop.example?x=/y', 'shop.example:443', '/?x=/y', '/'],
      ['http://[::1]:81/x', '[::1]:81', '/x', '/x'],
    ] as const) {
      const facts = accepted(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.equal(facts.originForm, origin);
      assert.equal(facts.path, path);
      assert.equal(facts.host, /\/\/([^/?]*)/.exec(target)?.[1]);
    }
  });

  it('gives its authority as the host of an HTTP/1.0 request without Host', () => {
    assert.equal(accepted('GET http://a:81/b HTTP/1.0\r\n\r\n').host, 'a:81');
  });
});

describe('67: * and CONNECT', () => {
  it('67: * stands alone and is for OPTIONS only', () => {
    const facts = accepted('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(facts.originForm, '*');
    assert.equal(facts.path, '*');
    refused('GET * HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n');
    refused('OPTIONS */ HTTP/1.1\r\nHost: a\r\n\r\n');
  });

  it('67: OPTIONS in absolute form without a path is OPTIONS * (RFC 9112 3.2.4)', () => {
    assert.equal(accepted('OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n').originForm, '*');
    assert.equal(accepted('OPTIONS http://a/ HTTP/1.1\r\nHost: a\r\n\r\n').originForm, '/');
    assert.equal(accepted('OPTIONS http://a?b HTTP/1.1\r\nHost: a\r\n\r\n').originForm, '/?b');
  });

  it('67: CONNECT parses with its authority as target', () => {
    const facts = accepted('CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n');
    assert.equal(facts.method, 'CONNECT');
    assert.equal(facts.path, 'a:443');
  });
});

describe('connection, Expect, TE', () => {
  it('HTTP/1.1 stays open unless told to close, HTTP/1.0 closes unless told to stay', () => {
    const keeps = (version: string, ...lines: string[]): boolean =>
      accepted(`GET / ${version}\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`).keepAlive;
    assert.equal(keeps('HTTP/1.1'), true);
    assert.equal(keeps('HTTP/1.1', 'Connection: close'), false);
    assert.equal(keeps('HTTP/1.1', 'Connection: CLOSE'), false);
    assert.equal(keeps('HTTP/1.1', 'Connection: x, \tclose\t,y'), false);
    assert.equal(keeps('HTTP/1.1', 'Connection: keep-alive', 'Connection: close'), false);
    assert.equal(keeps('HTTP/1.1', 'Connection: closed'), true);
    assert.equal(keeps('HTTP/1.0'), false);
    assert.equal(keeps('HTTP/1.0', 'Connection: Keep-Alive'), true);
    assert.equal(keeps('HTTP/1.0', 'Connection: keep-alive, close'), false);
    assert.equal(keeps('HTTP/1.0', 'Keep-Alive: timeout=5'), false);
  });

  it('51: reads every token of every Connection line', () => {
    const bits = (...lines: string[]): number => accepted(withFields(...lines)).connection;
    assert.equal(bits('Connection:'), 0);
    assert.equal(bits('Connection: , ,,'), 0);
    assert.equal(bits('Connection: upgrade'), ConnectionToken.upgrade);
    assert.equal(bits('Connection: TE, x-secret'), ConnectionToken.te | ConnectionToken.named);
    assert.equal(
      bits('Connection: keep-alive', 'Connection: Upgrade'),
      ConnectionToken.keepAlive | ConnectionToken.upgrade,
    );
    for (const other of ['xe', 'clos', 'cloze', 'closes', 'upgradf', 'keep_alive', 'keep-alivf', 'content-length']) {
      assert.equal(bits(`Connection: ${other}`), ConnectionToken.named, other);
    }
  });

  it('56: tells 100-continue from other expectations', () => {
    assert.equal(accepted(withFields()).expect, 0);
    assert.equal(accepted(withFields('Expect: 100-continue')).expect, 1);
    assert.equal(accepted(withFields('expect:100-Continue ')).expect, 1);
    for (const lines of [['Expect: x'], ['Expect:'], ['Expect: 100-continue', 'Expect: 100-continue']]) {
      assert.equal(accepted(withFields(...lines)).expect, 2);
    }
    assert.equal(accepted(withFields('Expect: 100-continue, x')).expect, 2);
  });

  it('52: finds trailers among the values of TE', () => {
    assert.equal(accepted(withFields('TE: trailers')).teTrailers, true);
    assert.equal(accepted(withFields('TE: gzip;q=0.5 ,\tTrailers')).teTrailers, true);
    for (const value of ['gzip', 'trailersx', 'x-trailers', '', 'trailers;q=1']) {
      assert.equal(accepted(withFields(`TE: ${value}`)).teTrailers, false);
    }
  });

  it('points at the first Upgrade and the first Cookie line', () => {
    const head = new Head();
    const bytes = Buffer.from(withFields('Upgrade: a', 'Cookie: b', 'Upgrade: c', 'Cookie: d'));
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
    assert.equal(head.value(head.upgradeLine), 'a');
    assert.equal(head.value(head.cookieLine), 'b');
    assert.equal(head.findId(HeaderId.cookie, head.cookieLine + 1), 4);
    assert.equal(head.findId(HeaderId.cookie, 5), -1);
  });
});

describe('limits', () => {
  it('53: more fields than allowed is an outcome of its own (431)', () => {
    const fields = (n: number): string => `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(n - 1)}\r\n`;
    assert.equal(readInEverySplit('request', fields(5), 5).result, Parse.done);
    assert.equal(readInEverySplit('request', fields(6), 5).result, Parse.tooMany);
    assert.equal(readInEverySplit('request', fields(60), 5).result, Parse.tooMany);
  });

  it('knows the method of a head that it refuses', () => {
    const head = new Head();
    const parse = (text: string): number => head.parseRequest(Buffer.from(text), 0, text.length);
    assert.equal(parse('HEAD / HTTP/1.1\r\n\r\n'), Parse.bad);
    assert.equal(head.method, 'HEAD');
    assert.equal(parse('HEAD'), Parse.more);
    assert.equal(head.method, '');
    assert.equal(parse('(HEAD / HTTP/1.1\r\n\r\n'), Parse.bad);
    assert.equal(head.method, '');
  });

  it('says whether the request line was whole when more is asked for, for 414 and 431', () => {
    const head = new Head();
    const bytes = Buffer.from('\r\nGET / HTTP/1.1\r\nHost: a\r\nX: y');
    assert.equal(head.parseRequest(bytes, 0, 12), Parse.more);
    assert.equal(head.fieldsStart, 0);
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.more);
    assert.notEqual(head.fieldsStart, 0);
    assert.equal(head.parseRequest(bytes, 0, 5), Parse.more);
    assert.equal(head.fieldsStart, 0);
  });
});

describe('field lines', () => {
  it('66: keeps the number and order of lines, with offsets into the text', () => {
    const head = new Head();
    const text = withFields('A: 1', 'B: 2', 'a: 3', 'A:4');
    const bytes = Buffer.from(text);
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
    assert.equal(head.text, text);
    let whole = text.slice(0, head.fieldsStart);
    for (let i = 0; i < head.count; i++) whole += text.slice(head.nameStart(i), head.lineEnd(i));
    assert.equal(`${whole}\r\n`, text);
    const lines: string[] = [];
    for (let i = head.find('a', head.nameHash(1)); i >= 0; i = head.find('a', head.nameHash(1), i + 1)) {
      lines.push(head.value(i));
    }
    assert.deepEqual(lines, ['1', '3', '4']);
  });

  it('is not confused by what it read before', () => {
    const head = new Head();
    const first = Buffer.from(
      'OPTIONS http://a:81/x?y HTTP/1.0\r\nHost: a:81\r\nContent-Length: 3\r\nConnection: close, x\r\nExpect: y\r\nTE: trailers\r\nUpgrade: z\r\nCookie: c\r\n\r\n',
    );
    assert.equal(head.parseRequest(first, 0, first.length), Parse.done);
    const second = Buffer.from(`${GET}\r\n`);
    const fresh = new Head();
    assert.equal(head.parseRequest(second, 0, second.length), Parse.done);
    assert.equal(fresh.parseRequest(second, 0, second.length), Parse.done);
    // `problem` says why the last refusal was; it is not a fact of this head.
    assert.deepEqual({ ...head, problem: '' }, { ...fresh, problem: '' });
    const chunked = Buffer.from(withFields('Transfer-Encoding: chunked'));
    assert.equal(head.parseRequest(chunked, 0, chunked.length), Parse.done);
    assert.equal(head.parseRequest(first, 0, first.length), Parse.done);
    assert.equal(head.framing, Framing.length);
  });
});
