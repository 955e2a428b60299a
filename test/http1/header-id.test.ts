import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { claims } from '../../src/http1/claims.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { HeaderId, hashName, headerId } from '../../src/http1/header-id.ts';

/** The names that limpet knows, as they are written in its source and in the RFCs. */
const NAMES: Readonly<Record<string, number>> = {
  Host: HeaderId.host,
  Connection: HeaderId.connection,
  'Content-Length': HeaderId.contentLength,
  'Transfer-Encoding': HeaderId.transferEncoding,
  Cookie: HeaderId.cookie,
  'Set-Cookie': HeaderId.setCookie,
  Expect: HeaderId.expect,
  Upgrade: HeaderId.upgrade,
  TE: HeaderId.te,
  'Keep-Alive': HeaderId.keepAlive,
  'Proxy-Connection': HeaderId.proxyConnection,
  'Proxy-Authenticate': HeaderId.proxyAuthenticate,
  'Proxy-Authorization': HeaderId.proxyAuthorization,
  Trailer: HeaderId.trailer,
  'X-Forwarded-For': HeaderId.xForwardedFor,
  'X-Forwarded-Proto': HeaderId.xForwardedProto,
  'X-Forwarded-Host': HeaderId.xForwardedHost,
  Forwarded: HeaderId.forwarded,
  Via: HeaderId.via,
  'X-Request-Id': HeaderId.xRequestId,
  'Limpet-Session': HeaderId.limpetSession,
  'Limpet-Session-Moved': HeaderId.limpetSessionMoved,
  'Limpet-Session-Expired': HeaderId.limpetSessionExpired,
  'Limpet-User': HeaderId.limpetUser,
  'Limpet-Error': HeaderId.limpetError,
  'Limpet-Backend': HeaderId.limpetBackend,
  'Idempotency-Key': HeaderId.idempotencyKey,
  'Cache-Control': HeaderId.cacheControl,
  Authorization: HeaderId.authorization,
  Accept: HeaderId.accept,
  'HTTP2-Settings': HeaderId.http2Settings,
  'WWW-Authenticate': HeaderId.wwwAuthenticate,
  'Content-Encoding': HeaderId.contentEncoding,
  'Content-Type': HeaderId.contentType,
  'Content-Range': HeaderId.contentRange,
  'User-Agent': HeaderId.userAgent,
  'X-Limpet-Explain': HeaderId.limpetExplain,
  Traceparent: HeaderId.traceparent,
  Tracestate: HeaderId.tracestate,
  ...Object.fromEntries(claims.names.map((name) => [name, HeaderId.claim])),
  'Max-Forwards': HeaderId.maxForwards,
  Date: HeaderId.date,
};

/** What becomes of a name that is known by how it begins only. */
function unknown(name: string): number {
  const plain = name.toLowerCase();
  return claims.prefixes.some((prefix) => plain.startsWith(prefix)) ? HeaderId.claim : HeaderId.other;
}

function idOf(name: string): number {
  const bytes = Buffer.from(`-${name}-`, 'latin1');
  return headerId(bytes, 1, bytes.length - 1, hashName(name));
}

describe('headerId', () => {
  it('51: knows every name of its table in any case', () => {
    const named = new Set<number>(Object.values(NAMES));
    for (const [key, id] of Object.entries(HeaderId)) {
      if (id !== HeaderId.other && id !== HeaderId.alias && id !== HeaderId.limpetOther)
        assert.ok(named.has(id), `no name for ${key} in this test`);
    }
    for (const [name, id] of Object.entries(NAMES)) {
      for (const spelling of [name, name.toLowerCase(), name.toUpperCase()]) assert.equal(idOf(spelling), id, spelling);
    }
  });

  it('66: a name with underscores that turns into a known one is an alias', () => {
    for (const name of Object.keys(NAMES)) {
      if (!name.includes('-')) continue;
      assert.equal(idOf(name.replaceAll('-', '_')), HeaderId.alias, name);
      assert.equal(idOf(name.toUpperCase().replace('-', '_')), HeaderId.alias, name);
    }
    assert.equal(idOf('x-forwarded_for'), HeaderId.alias);
    assert.equal(idOf('x_app_header'), HeaderId.other);
  });

  it('F2: a claim is known by how it begins, in any case', () => {
    for (const prefix of claims.prefixes) {
      for (const name of [`${prefix}x`, `${prefix}-Anything.Else`, prefix.toUpperCase()]) {
        assert.equal(idOf(name), HeaderId.claim, name);
        assert.equal(idOf(name.replaceAll('-', '_')), HeaderId.alias, name);
      }
      assert.equal(idOf(prefix.slice(0, -1)), HeaderId.other, prefix);
      assert.equal(idOf(`a${prefix}`), HeaderId.other, prefix);
    }
    for (const name of ['x', 'xx', 'x-', 'x-forward', 'ssl', 'X-Powered-By', 'X-Client-Id', 'X-Original']) {
      assert.equal(idOf(name), HeaderId.other, name);
    }
  });

  it('P6: any name that begins with limpet- is one of ours, known or not', () => {
    for (const name of ['Limpet-Other', 'limpet-x', 'LIMPET-Session-', 'Limpet-Checkpoint'])
      assert.equal(idOf(name), HeaderId.limpetOther, name);
    for (const name of ['limpet_other', 'Limpet_X']) assert.equal(idOf(name), HeaderId.alias, name);
    for (const name of ['limpet-', 'limpet', 'limpets-x', 'x-limpet-other', 'l', 'limp-et-x', 'limpet.x'])
      assert.equal(idOf(name), HeaderId.other, name);
  });

  it('takes no other name for a known one', () => {
    const known = new Set(Object.keys(NAMES).map((name) => name.toLowerCase()));
    for (const name of Object.keys(NAMES)) {
      if (/^limpet-/i.test(name)) continue;
      for (let i = 0; i < name.length; i++) {
        const without = name.slice(0, i) + name.slice(i + 1);
        if (without !== '' && !known.has(without.toLowerCase())) assert.equal(idOf(without), unknown(without), without);
        for (const c of '!.~x0') {
          const other = name.slice(0, i) + c + name.slice(i + 1);
          if (other.toLowerCase() !== name.toLowerCase()) assert.equal(idOf(other), unknown(other), other);
        }
      }
      assert.equal(idOf(`${name}s`), unknown(name));
      assert.equal(idOf(`x${name}`), HeaderId.other);
    }
  });

  it('hashName is the hash that the parser gives a name, whatever its case', () => {
    const names = ['a', 'X', 'ab', 'X-App_Session', 'Accept-Language', 'x'.repeat(300), ...Object.keys(NAMES)];
    for (const name of names) {
      const head = new Head();
      const line = name.toLowerCase() === 'host' ? '' : `${name}:${name === 'Content-Length' ? '1' : 'chunked'}\r\n`;
      const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${line}\r\n`);
      assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done, head.problem);
      assert.equal(head.nameHash(head.count - 1), hashName(name.toUpperCase()));
      assert.equal(head.find(name.toLowerCase(), hashName(name)), head.count - 1);
    }
  });
});
