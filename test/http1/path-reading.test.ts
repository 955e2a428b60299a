import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPlainPath, readPath } from '../../src/http1/path-reading.ts';

test('the usual reading comes first, each reading once', () => {
  assert.deepEqual(readPath(''), ['/']);
  assert.deepEqual(readPath('/a/b'), ['/a/b']);
  assert.deepEqual(readPath('/a/./b/../c/'), ['/a/c/']);
  assert.deepEqual(readPath('/a;x/b;y=z'), ['/a/b']);
  assert.deepEqual(readPath('/a%2fb'), ['/a%2Fb', '/a/b']);
  assert.deepEqual(readPath('/a\\b'), ['/a\\b', '/a/b']);
  assert.deepEqual(readPath('/a//../b'), ['/a/b', '/b']);
  assert.deepEqual(readPath('/a/..;/b'), ['/a/../b', '/b']);
  assert.equal(readPath('/a%00'), null);
});

test('a server with some habits and not the others is among the readings', () => {
  // An encoded slash separates, a path parameter is a part of its segment.
  assert.ok(readPath('/x/..%2fadmin/..;/../x')?.includes('/admin/x'));
});

const part = fc.constantFrom(
  '/',
  '//',
  'a',
  'b',
  '.',
  '..',
  ';',
  '%2f',
  '%2F',
  '%5c',
  '\\',
  '%2e',
  '%3b',
  '%41',
  '%zz',
  '-',
  '%c3%a9',
);
const path = fc.array(part, { maxLength: 12 }).map((parts) => `/${parts.join('')}`);

test('a reading has no empty segment and no path parameter, and there are at most sixteen', () => {
  fc.assert(
    fc.property(path, (text) => {
      const readings = readPath(text)!;
      assert.ok(readings.length >= 1 && readings.length <= 16);
      for (const reading of readings) {
        assert.ok(reading.startsWith('/'));
        assert.ok(!reading.includes('//') && !reading.includes(';'), reading);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a path that is plain has itself as its only reading', () => {
  fc.assert(
    fc.property(path, (text) => {
      if (isPlainPath(text, 0, text.length)) assert.deepEqual(readPath(text), [text]);
    }),
    { numRuns: 2000 },
  );
  assert.equal(isPlainPath('GET /a/b.c?x', 4, 10), true);
});

test('the URL parser of browsers agrees with the usual reading where there is nothing to disagree about', () => {
  const simple = fc
    .array(fc.constantFrom('/', 'a', 'b', '.', '..', '%2e', '-'), { maxLength: 12 })
    .map((parts) => `/${parts.join('')}`);
  fc.assert(
    fc.property(simple, (text) => {
      if (text.includes('//')) return;
      assert.equal(readPath(text)?.[0], new URL(`http://shop.example${text}`).pathname.replaceAll('%2e', '.'));
    }),
    { numRuns: 2000 },
  );
});
