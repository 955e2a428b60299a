import type { PlacedRoute } from './check-shared-cookies.ts';
import { got } from './messages.ts';
import type { PoolParts, Report } from './parts.ts';

/**
 * A route whose requests no browser sends the cookie of its pool with begins no session: it needs another path or
 * domain there.
 */
export function checkCookieScopes(routes: readonly PlacedRoute[], pools: readonly PoolParts[], report: Report): void {
  const cookies = new Map(pools.map(({ name, affinity }) => [name, affinity.find((one) => one?.by === 'cookie')]));
  for (const { route, path: at } of routes) {
    const cookie = route.sticky ? cookies.get(route.pool) : undefined;
    if (!cookie?.name) continue;
    const { path = '/', domain = null } = cookie;
    const { host, path: asked } = route.match;
    const why = !meetsPath(asked, path ?? '/')
      ? `its path is ${got(path)}`
      : domain !== null && domain !== undefined && !meetsDomain(host, domain)
        ? `its domain is ${got(domain)}`
        : null;
    if (why === null) continue;
    report.warn(
      at,
      `can never carry the cookie ${got(cookie.name)} of pool ${route.pool}, as ${why}: limpet begins no session by it here. Widen it in pools.${route.pool}.affinity, or set sticky: false`,
    );
  }
}

/** Whether a request of a route can be one that a cookie of this path goes with (RFC 6265 section 5.1.4). */
function meetsPath(pattern: string | null, cookie: string): boolean {
  // What an expression matches is not looked into.
  if (pattern === null || cookie === '/' || pattern.startsWith('~ ')) return true;
  const within = (path: string, prefix: string): boolean =>
    path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
  if (pattern.startsWith('= ')) return within(pattern.slice(2), cookie);
  return within(pattern, cookie) || within(cookie, pattern);
}

/** Whether a host of a route lies in a domain. */
function meetsDomain(pattern: string | null, domain: string): boolean {
  const own = domain.toLowerCase();
  if (pattern === null || pattern === own || pattern.endsWith(`.${own}`)) return true;
  return pattern.startsWith('*.') && own.endsWith(pattern.slice(1));
}
