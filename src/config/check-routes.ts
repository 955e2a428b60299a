import type { KeyPath } from './config-error.ts';
import { got } from './messages.ts';
import { parseOrigin } from './origin.ts';
import type { AffinityParts, Parts, PoolParts, Report, RouteParts } from './parts.ts';
import type { RouteConfig, RouteMatchConfig } from './schema.ts';
import { didYouMean } from './suggest.ts';

interface Placed {
  readonly route: Pick<RouteConfig, 'match' | 'pool' | 'sticky'>;
  readonly path: KeyPath;
}

/** Checks the routes: that their pools exist, that each can match, and that no two pools share a cookie on one host. */
export function checkRoutes(parts: Parts, report: Report): void {
  const { routes, pools } = parts;
  const names = (pools ?? []).map(({ name }) => name);
  if (routes === null) {
    if (names.length > 1)
      report.error(
        ['routes'],
        `is required with more than one pool: name the pool of each route. Pools: ${names.join(', ')}`,
      );
    return;
  }
  const placed: Placed[] = [];
  for (const [index, route] of routes.entries()) {
    const path = ['routes', index];
    const { match, pattern, pool, sticky } = route;
    if (pattern) checkPathPattern(pattern, [...path, 'match', 'path'], report);
    if (pool !== undefined && pools !== null && !names.includes(pool)) {
      report.error(
        [...path, 'pool'],
        `no pool has the name ${got(pool)}${didYouMean(pool, names) || '.'} Pools: ${names.join(', ')}`,
      );
    }
    checkOrigins(route, path, report);
    if (match === undefined || pool === undefined || sticky === undefined) continue;
    placed.push({ route: { match, pool, sticky }, path });
  }
  // Without every route it cannot be said which requests or pools are left over.
  if (placed.length < routes.length) return;
  const all = placed.findIndex(({ route }) => isPure(route.match) && route.match.host === null);
  if (all >= 0 && all < placed.length - 1) {
    report.warn(['routes', all + 1], `never gets a turn: routes[${all}] matches every request; put that one last`);
  }
  const used = new Set(placed.map(({ route }) => route.pool));
  for (const name of names)
    if (!used.has(name)) report.warn(['pools', name], 'no route names this pool: it gets no requests', 'key');
  checkCookies(placed, pools ?? [], report);
}

function checkOrigins({ csrf, allowOrigins = [] }: RouteParts, path: KeyPath, report: Report): void {
  for (const [index, origin] of allowOrigins.entries()) {
    if (parseOrigin(origin) !== null) continue;
    report.error(
      [...path, 'allowOrigins', index],
      `${got(origin)} is no origin: write scheme, host and, where it is not the default one, port, such as https://shop.example or http://localhost:3000, without a path or *`,
    );
  }
  if (allowOrigins.length > 0 && csrf === 'off')
    report.warn([...path, 'allowOrigins'], 'does nothing while csrf is off: set csrf: reject-cross-site', 'key');
}

/** Checks a path as routes have it. */
export function checkPathPattern(pattern: string, at: KeyPath, report: Report): void {
  if (!pattern.startsWith('~ ')) return;
  try {
    new RegExp(pattern.slice(2));
  } catch (error) {
    report.error(at, `is not a regular expression: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A browser keeps one cookie for a name, path and domain: two pools that issue the same one would take each other's sessions away. */
function checkCookies(routes: readonly Placed[], pools: readonly PoolParts[], report: Report): void {
  const told = new Set<string>();
  for (const [index, { route, path }] of routes.entries()) {
    for (const earlier of routes.slice(0, index)) {
      if (route.pool === earlier.route.pool || !route.sticky || !earlier.route.sticky) continue;
      const mine = cookieOf(route.pool, pools);
      const other = cookieOf(earlier.route.pool, pools);
      if (!mine?.name || !other || mine.name !== other.name || mine.path !== other.path || mine.domain !== other.domain)
        continue;
      if (mine.domain === null && !shareHost(routes, earlier, index)) continue;
      const pair = [route.pool, earlier.route.pool].sort().join('\n');
      if (told.has(pair)) continue;
      told.add(pair);
      report.error(
        path,
        `pool ${route.pool} and pool ${earlier.route.pool} issue the same cookie ${got(mine.name)} on the same host, and would take each other's sessions away: give one of them a name of its own, such as affinity: [{ by: cookie, name: ${mine.name}-${route.pool} }] in pools.${route.pool}`,
      );
    }
  }
}

function cookieOf(pool: string, pools: readonly PoolParts[]): Extract<AffinityParts, { by: 'cookie' }> | undefined {
  return pools.find(({ name }) => name === pool)?.affinity.find((strategy) => strategy?.by === 'cookie');
}

/** True when a host exists whose requests can reach both routes. */
function shareHost(routes: readonly Placed[], earlier: Placed, index: number): boolean {
  const shared = intersection(earlier.route.match.host, routes[index]?.route.match.host ?? null);
  if (shared === undefined) return false;
  // A route on the host alone takes all its requests: nothing of that host comes to the later ones.
  return !routes
    .slice(0, index)
    .some(({ route }) => isPure(route.match) && intersection(route.match.host, shared) === shared);
}

/** Hosts that two patterns have in common: a pattern, null for every host, undefined for none. */
function intersection(one: string | null, other: string | null): string | null | undefined {
  if (one === null) return other;
  if (other === null || one === other) return one;
  const suffix = (pattern: string) => (pattern.startsWith('*.') ? pattern.slice(1) : null);
  const [left, right] = [suffix(one), suffix(other)];
  if (left !== null && other.endsWith(left)) return other;
  if (right !== null && one.endsWith(right)) return one;
  return undefined;
}

/** True when nothing but the host is asked for. */
function isPure({ path, methods, headers }: RouteMatchConfig): boolean {
  return (path === null || path === '/') && methods.length === 0 && Object.keys(headers).length === 0;
}
