import { checkCookieScopes } from './check-cookie-scopes.ts';
import { checkSharedCookies, type PlacedRoute } from './check-shared-cookies.ts';
import type { KeyPath } from './config-error.ts';
import { got } from './messages.ts';
import { nameList } from './name-list.ts';
import { parseOrigin } from './origin.ts';
import type { Parts, Report, RouteParts } from './parts.ts';
import { plainPath } from './plain-path.ts';
import { didYouMean } from './suggest.ts';
import { takesWholeHost } from './takes-whole-host.ts';

/** A name is compared with all others: in a file where thousands are wrong, it is something else that is. */
const MOST_SUGGESTIONS = 50;

/** Checks the routes: that their pools exist, that each can match, and that no two pools share a cookie on one host. */
export function checkRoutes(parts: Parts, report: Report): void {
  const { routes, pools } = parts;
  const names = (pools ?? []).map(({ name }) => name);
  const known = new Set(names);
  if (routes === null) {
    if (names.length > 1)
      report.error(
        ['routes'],
        `is required with more than one pool: name the pool of each route. Pools: ${nameList(names)}`,
      );
    return;
  }
  const placed: PlacedRoute[] = [];
  let unknown = 0;
  for (const [index, route] of routes.entries()) {
    const path = ['routes', index];
    const { match, pattern, pool, sticky } = route;
    if (pattern) checkPathPattern(pattern, [...path, 'match', 'path'], report);
    if (pool !== undefined && pools !== null && !known.has(pool)) {
      report.error(
        [...path, 'pool'],
        `no pool has the name ${got(pool)}${(unknown++ < MOST_SUGGESTIONS && didYouMean(pool, names)) || '.'} Pools: ${nameList(names)}`,
      );
    }
    checkOrigins(route, path, report);
    if (match === undefined || pool === undefined || sticky === undefined) continue;
    placed.push({ route: { match, pool, sticky }, path });
  }
  // Without every route it cannot be said which requests or pools are left over.
  if (placed.length < routes.length) return;
  const all = placed.findIndex(({ route }) => takesWholeHost(route.match) && route.match.host === null);
  if (all >= 0 && all < placed.length - 1) {
    report.warn(['routes', all + 1], `never gets a turn: routes[${all}] matches every request; put that one last`);
  }
  const used = new Set(placed.map(({ route }) => route.pool));
  for (const name of names)
    if (!used.has(name)) report.warn(['pools', name], 'no route names this pool: it gets no requests', 'key');
  checkSharedCookies(placed, pools ?? [], report);
  checkCookieScopes(placed, pools ?? [], report);
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
  if (!pattern.startsWith('~ ')) {
    const read = plainPath(pattern.replace(/^= /, ''));
    if ('error' in read) report.error(at, read.error);
    return;
  }
  try {
    new RegExp(pattern.slice(2));
  } catch (error) {
    report.error(at, `is not a regular expression: ${error instanceof Error ? error.message : String(error)}`);
  }
}
