import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asksToExplain, withoutAdminToken } from '../../../src/proxy/explain/explained-request.ts';
import type { ExplainQuery } from '../../../src/proxy/explain/explanation.ts';
import { imagineRequest } from '../../../src/proxy/explain/imagined-request.ts';
import { spokenTime } from '../../../src/proxy/explain/spoken-time.ts';

function imagine(query: Partial<ExplainQuery>) {
  return imagineRequest({ method: 'GET', url: '/', headers: {}, ip: null, ...query }, 'here.example');
}

/** Head, and what else is known of a request that can be imagined. */
function request(query: Partial<ExplainQuery>) {
  const made = imagine(query);
  if (typeof made === 'string') throw new assert.AssertionError({ message: made });
  const { head, ...rest } = made;
  return { text: head.text, ...rest };
}

test('an address, a path or a Host header say where a request goes', () => {
  const whole = request({ url: 'https://shop.example/cart?x=1#end', ip: '192.0.2.1' });
  assert.deepEqual(whole, {
    text: 'GET /cart?x=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n',
    tls: true,
    peer: '192.0.2.1',
    assumed: [],
  });
  const path = request({ url: '/cart' });
  assert.match(path.text, /^GET \/cart HTTP\/1\.1\r\nHost: here\.example\r\n/);
  assert.equal(path.assumed.length, 2);
  const named = request({ url: 'http://127.0.0.1:8080', headers: { host: 'shop.example' } });
  assert.equal(named.text, 'GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n');
  assert.match(request({ url: 'http://x?a=1' }).text, /^GET \/\?a=1 /);
});

test('how a path is spelled stays; what is no ASCII is sent as browsers send it', () => {
  assert.match(request({ url: '/a/../b%2fc' }).text, /^GET \/a\/\.\.\/b%2fc /);
  assert.match(request({ url: '/grüße' }).text, /^GET \/gr%C3%BC%C3%9Fe /);
  assert.match(request({ headers: { 'x-name': 'ü' } }).text, /x-name: \xc3\xbc\r\n/);
  assert.match(request({ headers: { cookie: ['a=1', 'b=2'] } }).text, /cookie: a=1\r\ncookie: b=2\r\n/);
});

test('nothing that is not one request gets through, and no value is shown', () => {
  for (const query of [
    { url: 'shop.example/' },
    { url: 'http:///x' },
    { url: 'http://us er/' },
    { url: '/', method: 'GET / HTTP/1.1\r\nX:' },
    { headers: { 'a\r\nb': 'secret' } },
    { headers: { a: 'secret\r\nb: c' } },
    { headers: { a: 'secret\0' } },
    { headers: { 'transfer-encoding': 'secret' } },
    { headers: { host: ['a', 'b'] } },
    { ip: 'secret' },
  ]) {
    const said = imagine(query);
    assert.equal(typeof said, 'string', JSON.stringify(query));
    if ('headers' in query) assert.ok(!String(said).includes('secret'), String(said));
  }
});

test('a request with the admin token goes on without it; any other as it came', () => {
  const access = { matches: (authorization: string) => authorization === 'Bearer right' };
  const stripped = (headers: ExplainQuery['headers']) => {
    const made = imagine({ headers: { a: '1', ...headers, z: '2' } });
    assert.ok(typeof made !== 'string');
    return withoutAdminToken(made.head, access);
  };
  const left = 'GET / HTTP/1.1\r\nHost: here.example\r\na: 1\r\nz: 2\r\n\r\n';
  assert.equal(stripped({ authorization: 'Bearer right', 'x-limpet-explain': '1' }), left);
  assert.equal(stripped({ authorization: ['Basic eDp5', 'Bearer right'], 'X-Limpet-Explain': ['1', '1'] }), left);
  assert.equal(stripped({ authorization: 'Bearer wrong', 'x-limpet-explain': '1' }), null);
  // Whatever else the request says, or misspells.
  assert.equal(stripped({ authorization: 'Bearer right', 'x-limpet-explain': '0' }), left);
  assert.equal(stripped({ authorization: 'Bearer right' }), left);
  const asks = (headers: ExplainQuery['headers']) => {
    const made = imagine({ headers });
    assert.ok(typeof made !== 'string');
    return asksToExplain(made.head);
  };
  assert.deepEqual([{ 'x-limpet-explain': '1' }, { 'x-limpet-explain': '0' }, {}].map(asks), [true, false, false]);
});

test('times are told in their two largest units', () => {
  const told = [0, 350, 1_000, 61_500, 3_600_000, 90_061_000].map(spokenTime);
  assert.deepEqual(told, ['0 ms', '350 ms', '1 s', '1 min 1 s', '1 h', '1 d 1 h']);
});
