import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkSharedCookies, type PlacedRoute } from '../../src/config/check-shared-cookies.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { PoolParts } from '../../src/config/parts.ts';
import { takesWholeHost } from '../../src/config/takes-whole-host.ts';

/**
 * CPU that reading a configuration takes, ms: the least of a few times, so that what else the machine does hardly
 * counts.
 */
function cpuOf(text: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 2; i++) {
    const before = process.threadCpuUsage();
    parseConfig(text, 'x.yaml', {});
    const { user, system } = process.threadCpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

const lines = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');
const HEAD = 'listeners: [{ bind: "127.0.0.1:80" }]\n';
const pools = (count: number, more = ''): string =>
  `\npools:\n${lines(count, (i) => `  p${i}: { backends: [{ id: a, url: "http://127.0.0.1:${i + 1}" }]${more} }`)}\n`;

/** Configurations of size n that once took a time that grew with its square, or more. */
const SHAPES: Record<string, (n: number) => string> = {
  'routes by host, pools with the same cookie': (n) =>
    `${HEAD}routes:\n${lines(n, (i) => `  - { match: { host: h${i}.example, path: /a/ }, pool: p${i % (n / 5)} }`)}${pools(n / 5)}`,
  'routes by path, pools at odds over a cookie': (n) =>
    `${HEAD}routes:\n${lines(n, (i) => `  - { match: { path: /a${i}/ }, pool: p${i % (n / 5)} }`)}${pools(n / 5)}`,
  'routes to pools that are not there': (n) =>
    `${HEAD}routes:\n${lines(n, (i) => `  - { pool: q${i} }`)}${pools(n / 5)}`,
  'pools that no route names': (n) => `${HEAD}routes: [{ pool: p0 }]${pools(n)}`,
  'replicas that are not there': (n) =>
    `${HEAD}pools:\n  p:\n    backends:\n${lines(n, (i) => `      - { id: b${i}, url: "http://127.0.0.1:${i + 1}", replicas: [z${i}] }`)}\n`,
  'unknown keys': (n) => `${HEAD}${lines(n, (i) => `k${i}: 1`)}`,
  'aliases of one anchor': (n) => `${HEAD}a: &a 1\nb:\n${lines(n, () => '  - *a')}\n`,
  'pools merged from one': (n) =>
    `${HEAD}routes: [{ pool: p0 }]\npools:\n  p0: &p { backends: [{ id: a, url: "http://127.0.0.1:1" }], affinity: [] }\n${lines(n, (i) => `  q${i}: { <<: *p }`)}\n`,
};

for (const [shape, make] of Object.entries(SHAPES)) {
  test(`L10: twice the ${shape}: at most three times the CPU`, () => {
    cpuOf(make(300));
    let ratio = Number.POSITIVE_INFINITY;
    // What else the machine does falls on one of the two now and then.
    for (let n = 0; n < 4 && ratio >= 3; n++) ratio = Math.min(ratio, cpuOf(make(1_000)) / cpuOf(make(500)));
    assert.ok(ratio < 3, `${ratio.toFixed(1)} times`);
  });
}

test('L10: 10,000 routes, 1,000 pools and 1,000 backends are read and checked in less than two seconds of CPU', () => {
  const text = `${HEAD}routes:\n${lines(10_000, (i) => `  - { match: { host: h${i}.example, path: /a${i}/ }, pool: p${i % 1_000} }`)}${pools(1_000)}`;
  assert.ok('config' in parseConfig(text, 'x.yaml', {}));
  const before = process.threadCpuUsage();
  parseConfig(text, 'x.yaml', {});
  const { user, system } = process.threadCpuUsage(before);
  const took = (user + system) / 1000;
  // Three times that where others use the same cores.
  assert.ok(took < 6_000, `${Math.round(took)} ms`);
});

/** What the check is about, said of each pair of routes: the pools that are at odds. */
function oddPairs(routes: readonly PlacedRoute[], names: ReadonlyMap<string, string>): Set<string> {
  const covers = (wide: string | null, host: string | null): boolean =>
    wide === null || wide === host || (host !== null && wide.startsWith('*.') && host.endsWith(wide.slice(1)));
  const pairs = new Set<string>();
  for (const [later, { route }] of routes.entries()) {
    for (const { route: earlier } of routes.slice(0, later)) {
      if (route.pool === earlier.pool || !route.sticky || !earlier.sticky) continue;
      if (names.get(route.pool) !== names.get(earlier.pool)) continue;
      const [one, other] = [earlier.match.host, route.match.host];
      const shared = covers(one, other) ? other : covers(other, one) ? one : undefined;
      if (shared === undefined) continue;
      const taken = routes
        .slice(0, later)
        .some(({ route: { match } }) => takesWholeHost(match) && covers(match.host, shared));
      if (!taken) pairs.add([route.pool, earlier.pool].sort().join(' '));
    }
  }
  return pairs;
}

test('L10: pools are told to be at odds over a cookie exactly where two of their routes share a host', () => {
  const host = fc.constantFrom(null, 'a.x', 'b.x', '*.x', 'c.b.x', '*.b.x', 'a.y', '*.y', 'x');
  const route = fc.record({
    host,
    path: fc.constantFrom(null, '/p/'),
    pool: fc.constantFrom('p', 'q', 'r', 's'),
    sticky: fc.boolean(),
  });
  const names = new Map([
    ['p', 'one'],
    ['q', 'one'],
    ['r', 'one'],
    ['s', 'two'],
  ]);
  const parts = [...names].map(
    ([name, cookie]) =>
      ({ name, affinity: [{ by: 'cookie', name: cookie, path: '/', domain: null }] }) as unknown as PoolParts,
  );
  fc.assert(
    fc.property(fc.array(route, { maxLength: 8 }), (written) => {
      const routes = written.map(({ host, path, pool, sticky }, at) => ({
        path: ['routes', at],
        route: { pool, sticky, match: { host, path, methods: [], headers: {} } },
      })) as unknown as PlacedRoute[];
      const told = new Set<string>();
      checkSharedCookies(routes, parts, {
        error: (_path, message) => {
          const [, one, other] = /pool (\w) and pool (\w)/.exec(message)!;
          told.add([one, other].sort().join(' '));
        },
        warn: () => {},
      });
      const odd = oddPairs(routes, names);
      assert.deepEqual(
        [...told].filter((pair) => !odd.has(pair)),
        [],
      );
      assert.equal(told.size > 0, odd.size > 0);
    }),
    { numRuns: 2_000 },
  );
});
