import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pool } from '../../src/backends/pool.ts';
import { parseConfig } from '../../src/config/load.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { buildRouter, type Router } from '../../src/routing/router.ts';

interface Wanted {
  readonly match?: {
    readonly host?: string;
    readonly path?: string;
    readonly methods?: string[];
    readonly headers?: Record<string, string>;
  };
  readonly pool: string;
  readonly sticky?: boolean;
}

/** Routes as a configuration makes them, to pools of the names that they have. */
function routerOf(...routes: readonly Wanted[]): Router {
  const names = [...new Set(routes.map(({ pool }) => pool))];
  const pools = Object.fromEntries(
    names.map((name) => [name, { backends: [{ id: 'a', url: 'http://127.0.0.1:9001' }], affinity: [] }]),
  );
  const text = JSON.stringify({ listeners: [{ bind: '127.0.0.1:8080' }], routes, pools });
  const parsed = parseConfig(text, '/limpet/limpet.yaml');
  if ('errors' in parsed) throw new Error(parsed.errors.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  const { config } = parsed;
  return buildRouter(
    config,
    new Map(
      names.map((name, index): [string, Pool] => [
        name,
        { name, index, config: config.pools[name]!, backends: [], byId: new Map(), bySlot: [] },
      ]),
    ),
  );
}

interface Asked {
  readonly method?: string;
  readonly host?: string;
  readonly lines?: readonly string[];
  readonly version?: string;
}

/** Name of the pool that a request goes to; null: there is no route. */
function poolOf(
  router: Router,
  target: string,
  { method = 'GET', host = 'shop.example', lines = [], version = '1.1' }: Asked = {},
): string | null {
  const head = new Head();
  const hostLine = host === '' ? [] : [`Host: ${host}`];
  const bytes = Buffer.from(
    [`${method} ${target} HTTP/${version}`, ...hostLine, ...lines, '', ''].join('\r\n'),
    'latin1',
  );
  assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done, head.problem);
  return router.match(head)?.pool.name ?? null;
}

const rest: Wanted = { pool: 'rest' };

test('without a match everything goes to the one pool, whatever it looks like', () => {
  const router = routerOf(rest);
  for (const target of ['/', '/a/../b', '/%00', '/..%2f', 'http://shop.example'])
    assert.equal(poolOf(router, target), 'rest');
  assert.equal(poolOf(router, '*', { method: 'OPTIONS' }), 'rest');
});

test('the first route that matches wins; when none does there is no route', () => {
  const router = routerOf(
    { match: { path: '/a/b' }, pool: 'one' },
    { match: { path: '/a' }, pool: 'two' },
    { match: { path: '/a/b/c' }, pool: 'three' },
  );
  assert.equal(poolOf(router, '/a/b/c'), 'one');
  assert.equal(poolOf(router, '/a/c'), 'two');
  assert.equal(poolOf(router, '/b'), null);
});

test('a route knows its place, its pool and whether it is sticky', () => {
  const router = routerOf({ match: { path: '/a' }, pool: 'one', sticky: false }, rest);
  const head = new Head();
  const bytes = Buffer.from('GET /a HTTP/1.1\r\nHost: x\r\n\r\n');
  head.parseRequest(bytes, 0, bytes.length);
  const route = router.match(head)!;
  assert.equal(route.pool.name, 'one');
  assert.equal(route.sticky, false);
  assert.equal(route.index, 0);
  assert.equal(router.match(head), route);
});

const hosts: readonly (readonly [string, string, boolean])[] = [
  ['shop.example', 'shop.example', true],
  ['shop.example', 'SHOP.Example', true],
  ['Shop.Example', 'shop.example', true],
  ['shop.example', 'shop.example:8080', true],
  ['shop.example', 'shop.example.', true],
  ['shop.example', 'shop.example.:80', true],
  ['shop.example', 'xshop.example', false],
  ['shop.example', 'shop.example.evil.example', false],
  ['shop.example', 'shop.exampl', false],
  ['shop.example', '', false],
  ['*.shop.example', 'a.shop.example', true],
  ['*.shop.example', 'A.SHOP.EXAMPLE:443', true],
  ['*.shop.example', 'a.b.shop.example', true],
  ['*.shop.example', 'shop.example', false],
  ['*.shop.example', 'ashop.example', false],
  ['127.0.0.1', '127.0.0.1:80', true],
  ['[::1]', '[::1]:8080', true],
  ['[::1]', '[::1]', true],
  ['[::1]', '[::2]', false],
];
for (const [pattern, host, matches] of hosts) {
  test(`host ${pattern} ${matches ? 'takes' : 'does not take'} ${host === '' ? 'a request without Host' : host}`, () => {
    const router = routerOf({ match: { host: pattern }, pool: 'one' }, rest);
    assert.equal(poolOf(router, '/', host === '' ? { host, version: '1.0' } : { host }), matches ? 'one' : 'rest');
  });
}

test('the host of an absolute-form target counts', () => {
  const router = routerOf({ match: { host: 'shop.example' }, pool: 'one' }, rest);
  assert.equal(poolOf(router, 'http://SHOP.example:80/a', { host: 'shop.example' }), 'one');
  assert.equal(poolOf(router, 'http://other.example/a', { host: '', version: '1.0' }), 'rest');
  assert.equal(poolOf(router, 'http://shop.example/a', { host: '', version: '1.0' }), 'one');
});

const paths: readonly (readonly [string, string, boolean])[] = [
  ['/api', '/api', true],
  ['/api', '/api/', true],
  ['/api', '/api/x?y=z', true],
  ['/api', '/api?x', true],
  ['/api', '/apix', false],
  ['/api', '/ap', false],
  ['/api', '/API', false],
  ['/api', '/x/api', false],
  ['/api', '/x?/api', false],
  ['/api/', '/api', true],
  ['/api/', '/api/x', true],
  ['/api/', '/apix', false],
  ['/', '/', true],
  ['/', '/a', true],
  ['/', 'http://shop.example', true],
  ['/', 'http://shop.example?a', true],
  ['= /api', '/api', true],
  ['= /api', '/api?a=b', true],
  ['= /api', '/api/', false],
  ['= /api', '/api/x', false],
  ['= /', '/', true],
  ['= /', '/a', false],
  ['= /', 'http://shop.example', true],
  ['~ ^/v[0-9]+/', '/v12/x', true],
  ['~ ^/v[0-9]+/', '/v/x', false],
  ['~ ^/v[0-9]+/', '/x?/v1/', false],
  ['~ \\.php$', '/a/index.php', true],
  ['~ \\.php$', '/a/index.php?x', true],
  ['~ \\.php$', '/a/index.phpx', false],
  ['/café', '/caf%c3%A9/x', true],
  ['/caf%c3%a9', '/caf%C3%A9', true],
  ['/~user', '/%7euser', true],
];
for (const [pattern, target, matches] of paths) {
  test(`path ${pattern} ${matches ? 'takes' : 'does not take'} ${target}`, () => {
    assert.equal(poolOf(routerOf({ match: { path: pattern }, pool: 'one' }, rest), target), matches ? 'one' : 'rest');
  });
}

test('the asterisk of OPTIONS has no path', () => {
  const router = routerOf({ match: { path: '/' }, pool: 'one' }, { match: { path: '~ .' }, pool: 'two' }, rest);
  assert.equal(poolOf(router, '*', { method: 'OPTIONS' }), 'two');
});

/** To 'admin' or 'public' for sure, or to no route because servers read the path in different ways. */
const spelled: readonly (readonly [string, 'admin' | 'public' | null])[] = [
  ['/admin/../x', 'public'],
  ['/x/../admin', 'admin'],
  ['/x/../admin/', 'admin'],
  ['/./admin', 'admin'],
  ['/x/%2e%2e/admin', 'admin'],
  ['/x/.%2E/admin', 'admin'],
  ['/../../admin', 'admin'],
  ['/admin/.', 'admin'],
  ['/admin/..', 'public'],
  ['//admin', 'admin'],
  ['///admin//x', 'admin'],
  ['/%61dmin', 'admin'],
  ['/adm%69n/x', 'admin'],
  ['/admin;x=y', 'admin'],
  ['/admin;x=y/z', 'admin'],
  ['/x;y=/admin/z', 'public'],
  ['/x;/admin', 'public'],
  ['/x/..;/admin', null],
  ['/x/..;a=b/admin', null],
  ['/x/..%3b/admin', null],
  ['/x%2f..%2fadmin', null],
  ['/x/..%2Fadmin', null],
  ['/%2fadmin', null],
  ['/admin%2fx', null],
  ['/admin/x%2fy', 'admin'],
  ['/x/y%2fz', 'public'],
  ['/x\\..\\admin', null],
  ['/\\admin', null],
  ['/x/..%5cadmin', null],
  ['/x//../admin', null],
  ['/x/..%2fadmin/..;/../x', null],
  ['/admin%00', null],
  ['/x%00/../admin', null],
  ['/x%2500', 'public'],
  ['/x/%252e%252e/admin', 'public'],
  ['/x/...', 'public'],
  ['/.well-known/admin', 'public'],
  ['/x%zz/%', 'public'],
];
for (const [target, pool] of spelled) {
  test(`${target} ${pool === null ? 'takes no route: servers differ on what it means' : `takes the route of ${pool}`}`, () => {
    const router = routerOf({ match: { path: '/admin' }, pool: 'admin' }, { pool: 'public' });
    assert.equal(poolOf(router, target), pool);
  });
}

test('a regular expression sees the path as it is read, too', () => {
  const router = routerOf({ match: { path: '~ ^/admin(/|$)' }, pool: 'admin' }, { pool: 'public' });
  assert.equal(poolOf(router, '/x/../admin'), 'admin');
  assert.equal(poolOf(router, '/x/..%2fadmin'), null);
});

test('methods are compared as they are', () => {
  const router = routerOf({ match: { methods: ['GET', 'POST'] }, pool: 'one' }, rest);
  for (const [method, pool] of [
    ['GET', 'one'],
    ['POST', 'one'],
    ['HEAD', 'rest'],
    ['PURGE', 'rest'],
  ] as const)
    assert.equal(poolOf(router, '/', { method }), pool, method);
});

test('all headers have to be there with exactly their values; of several lines one is enough', () => {
  const router = routerOf({ match: { headers: { 'X-Beta': '1', 'x-name': 'é' } }, pool: 'one' }, rest);
  const name = 'X-Name: \xc3\xa9';
  assert.equal(poolOf(router, '/', { lines: ['x-beta: 1', name] }), 'one');
  assert.equal(poolOf(router, '/', { lines: ['X-BETA:  1 ', name, 'x-beta: 2'] }), 'one');
  assert.equal(poolOf(router, '/', { lines: ['x-beta: 0', 'x-beta: 1', name] }), 'one');
  for (const line of ['x-beta: 11', 'x-beta:', 'x-beta: 1, 2', 'x_beta: 1', 'x-bet: 1'])
    assert.equal(poolOf(router, '/', { lines: [line, name] }), 'rest', line);
  assert.equal(poolOf(router, '/', { lines: ['x-beta: 1'] }), 'rest');
});

test('host, path, method and headers have to match together', () => {
  const match = { host: '*.shop.example', path: '/api/', methods: ['POST'], headers: { 'x-beta': '1' } };
  const router = routerOf({ match, pool: 'one' }, rest);
  const asked = { host: 'a.shop.example', method: 'POST', lines: ['x-beta: 1'] };
  assert.equal(poolOf(router, '/api/x', asked), 'one');
  assert.equal(poolOf(router, '/x', asked), 'rest');
  assert.equal(poolOf(router, '/api/x', { ...asked, host: 'shop.example' }), 'rest');
  assert.equal(poolOf(router, '/api/x', { ...asked, method: 'GET' }), 'rest');
  assert.equal(poolOf(router, '/api/x', { ...asked, lines: [] }), 'rest');
});

test('a route that could never match, or has no pool, is refused with its place', () => {
  const refused = (path: string, message: RegExp) =>
    assert.throws(() => routerOf({ match: { path }, pool: 'one' }), { message });
  refused('/a;b', /^routes\[0\]\.match\.path: path parameters/);
  refused('/a%2Fb', /^routes\[0\]\.match\.path: \\, %2F, %5C and %00/);
  refused('= /a\\b', /^routes\[0\]\.match\.path: /);
  refused('/a%00', /^routes\[0\]\.match\.path: /);
  const route = {
    match: { host: null, path: null, methods: [], headers: {} },
    pool: 'gone',
    sticky: true,
    csrf: 'off',
    allowOrigins: [],
  } as const;
  assert.throws(() => buildRouter({ routes: [route] }, new Map()), {
    name: 'StartError',
    message: 'routes[0].pool: there is no pool gone',
  });
  const wrong = { ...route, match: { ...route.match, path: '~ (' } };
  assert.throws(
    () => buildRouter({ routes: [wrong] }, new Map([['gone', {} as Pool]])),
    /^StartError: routes\[0\]\.match\.path: is not a regular expression/,
  );
});

test('a trace says what each earlier route did not match, and which readings of a path disagree', () => {
  const router = routerOf(
    { match: { host: 'other.example' }, pool: 'one' },
    { match: { path: '/admin' }, pool: 'two' },
    { match: { methods: ['POST'] }, pool: 'three' },
    { match: { path: '/public' }, pool: 'four' },
    { match: { path: '/never' }, pool: 'five' },
  );
  const trace = (target: string) => {
    const head = new Head();
    const bytes = Buffer.from(`GET ${target} HTTP/1.1\r\nHost: shop.example\r\n\r\n`, 'latin1');
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done, head.problem);
    const { route, misses, readings } = router.trace(head);
    assert.equal(route, router.match(head));
    return { pool: route?.pool.name ?? null, misses, readings };
  };
  assert.deepEqual(trace('/public/x'), { pool: 'four', misses: ['host', 'path', 'head'], readings: null });
  assert.deepEqual(trace('/public/../admin'), { pool: 'two', misses: ['host'], readings: null });
  assert.deepEqual(trace('/x'), { pool: null, misses: ['host', 'path', 'head', 'path', 'path'], readings: null });
  assert.deepEqual(trace('/public/..%2Fadmin'), { pool: null, misses: [], readings: ['/public/..%2Fadmin', '/admin'] });
  assert.deepEqual(trace('/a%00'), { pool: null, misses: [], readings: [] });
  const only = routerOf({ pool: 'one' });
  const head = new Head();
  const bytes = Buffer.from('GET /a%00 HTTP/1.1\r\nHost: x\r\n\r\n', 'latin1');
  assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
  assert.deepEqual(only.trace(head).misses, []);
  assert.equal(only.trace(head).route?.pool.name, 'one');
});
