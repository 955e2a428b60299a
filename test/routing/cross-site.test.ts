import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOrigin } from '../../src/config/origin.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { CrossSite } from '../../src/routing/cross-site.ts';

const guard = new CrossSite(['https://partner.example', 'http://localhost:3000', 'https://default.example:443']);

interface Asked {
  readonly method?: string;
  readonly host?: string;
  readonly origin?: string | readonly string[];
  readonly site?: string | readonly string[];
  readonly upgrade?: boolean;
}

function refuses({ method = 'POST', host = 'shop.example', origin = [], site = [], upgrade = false }: Asked): boolean {
  const lines = [
    `${method} /cart HTTP/1.1`,
    `Host: ${host}`,
    ...[origin].flat().map((value) => `Origin: ${value}`),
    ...[site].flat().map((value) => `Sec-Fetch-Site: ${value}`),
  ];
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  const head = new Head();
  assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
  return guard.refuses(head, upgrade, { clientHost: () => host });
}

test('what a browser says of the site that sent a request decides', () => {
  assert.equal(refuses({ site: 'same-origin' }), false);
  assert.equal(refuses({ site: 'none' }), false, 'typed or a bookmark');
  assert.equal(refuses({ site: 'same-site' }), true);
  assert.equal(refuses({ site: 'cross-site' }), true);
  assert.equal(refuses({ site: 'SAME-ORIGIN' }), true);
  assert.equal(refuses({ site: 'what-comes-next' }), true);
  assert.equal(refuses({ site: 'same-origin', origin: 'https://shop.example' }), false);
  assert.equal(refuses({ site: 'cross-site', origin: 'https://evil.example' }), true);
  // A page of the same host over http, or one that has put its own name into Host: the browser knows better.
  assert.equal(refuses({ site: 'cross-site', origin: 'https://shop.example' }), true);
});

test('an origin on the list passes', () => {
  assert.equal(refuses({ site: 'cross-site', origin: 'https://partner.example' }), false);
  assert.equal(refuses({ site: 'same-site', origin: 'http://localhost:3000' }), false);
  assert.equal(refuses({ origin: 'https://default.example' }), false, 'browsers leave the default port out');
  assert.equal(refuses({ origin: 'https://partner.example:8443' }), true);
  assert.equal(refuses({ origin: 'http://partner.example' }), true);
  assert.equal(refuses({ origin: 'https://partner.example.evil.example' }), true);
  assert.equal(refuses({ origin: 'https://evilpartner.example' }), true);
});

test('a browser that says nothing of the site is judged by its origin', () => {
  assert.equal(refuses({ origin: 'https://shop.example' }), false);
  assert.equal(refuses({ origin: 'http://shop.example' }), false);
  assert.equal(refuses({ origin: 'https://shop.example', host: 'SHOP.example:443' }), false);
  assert.equal(refuses({ origin: 'http://shop.example:8080', host: 'shop.example:8080' }), false);
  assert.equal(refuses({ origin: 'http://[::1]:8080', host: '[::1]:8080' }), false);
  assert.equal(refuses({ origin: 'http://shop.example:8080' }), true);
  assert.equal(refuses({ origin: 'https://evil.example' }), true);
  assert.equal(refuses({ origin: 'https://shop.example.evil.example' }), true);
  assert.equal(refuses({ origin: 'null' }), true);
  assert.equal(refuses({ origin: 'null', host: 'null' }), true);
  assert.equal(refuses({ origin: '://' }), true);
  assert.equal(refuses({ origin: '' }), false);
});

test('a client that is no browser passes: it has nobody else’s cookies', () => {
  assert.equal(refuses({}), false);
  assert.equal(refuses({ upgrade: true, method: 'GET' }), false);
});

test('safe methods pass whoever asks, all others do not', () => {
  const foreign = { site: 'cross-site', origin: 'https://evil.example' };
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE'])
    assert.equal(refuses({ ...foreign, method }), false, method);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])
    assert.equal(refuses({ ...foreign, method }), true, method);
});

test('a WebSocket is opened with GET, and is refused to other sites all the same', () => {
  const opens = { method: 'GET', upgrade: true };
  assert.equal(refuses({ ...opens, origin: 'https://evil.example' }), true);
  assert.equal(refuses({ ...opens, origin: 'https://shop.example' }), false);
  assert.equal(refuses({ ...opens, origin: 'https://evil.example', site: 'cross-site' }), true);
  assert.equal(refuses({ ...opens, origin: 'https://partner.example', site: 'cross-site' }), false);
});

test('two of a field that browsers send once are nobody’s', () => {
  assert.equal(refuses({ origin: ['https://shop.example', 'https://evil.example'] }), true);
  assert.equal(refuses({ site: ['same-origin', 'cross-site'] }), true);
});

test('origins in the spelling of browsers', () => {
  assert.equal(parseOrigin('HTTPS://Shop.Example:443'), 'https://shop.example');
  assert.equal(parseOrigin('http://shop.example:8080'), 'http://shop.example:8080');
  assert.equal(parseOrigin('https://bücher.example'), 'https://xn--bcher-kva.example');
  assert.equal(parseOrigin('http://[::1]:3000'), 'http://[::1]:3000');
  assert.equal(parseOrigin('capacitor://localhost'), 'capacitor://localhost');
  for (const wrong of [
    '*',
    'https://*.shop.example',
    'shop.example',
    'https://shop.example/',
    'https://shop.example/path',
    'https://user@shop.example',
    'https://shop.example?x',
    'https://shop.example:99999',
    'https://',
    'null',
    '',
    'https://a.example,https://b.example',
  ])
    assert.equal(parseOrigin(wrong), null, wrong);
});
