import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CookieScope } from '../../src/affinity/cookie-scope.ts';

test('K2: a cookie goes where its Path leads (RFC 6265 5.1.4) and to its Domain (5.1.3)', () => {
  const cases: [path: string, domain: string | null, request: string, host: string, comesBack: boolean][] = [
    ['/', null, '/anything', 'shop.example', true],
    ['/app', null, '/app', '', true],
    ['/app', null, '/app/', '', true],
    ['/app', null, '/app/x', '', true],
    ['/app', null, '/apple', '', false],
    ['/app', null, '/', '', false],
    ['/app', null, '/favicon.ico', '', false],
    ['/app', null, '/App', '', false],
    ['/app/', null, '/app', '', false],
    ['/app/', null, '/app/x', '', true],
    ['/', 'shop.example', '/', 'shop.example', true],
    ['/', 'shop.example', '/', 'SHOP.example:8080', true],
    ['/', 'shop.example', '/', 'a.b.shop.example', true],
    ['/', 'shop.example', '/', 'shop.example.', true],
    ['/', 'shop.example', '/', 'othershop.example', false],
    ['/', 'shop.example', '/', 'example', false],
    ['/', 'shop.example', '/', '', false],
    ['/', '0.0.1', '/', '127.0.0.1', false],
    ['/', '127.0.0.1', '/', '127.0.0.1:80', true],
    ['/', 'shop.example', '/', '[::1]:80', false],
  ];
  for (const [path, domain, request, host, comesBack] of cases)
    assert.equal(new CookieScope(path, domain).has(request, host), comesBack, `${path} ${domain} ${request} ${host}`);
});
