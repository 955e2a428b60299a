import type { KeyPath } from './config-error.ts';
import { got } from './messages.ts';
import type { AffinityParts, PoolParts, Report } from './parts.ts';
import type { RouteConfig } from './schema.ts';
import { takesWholeHost } from './takes-whole-host.ts';

/** A route and where it stands. */
export interface PlacedRoute {
  readonly route: Pick<RouteConfig, 'match' | 'pool' | 'sticky'>;
  readonly path: KeyPath;
}

type Cookie = Extract<AffinityParts, { by: 'cookie' }>;

/** The best two pools by a number, of which one is another than the pool that asks. */
interface Best {
  pool: string;
  rank: number;
  otherPool: string | null;
  otherRank: number;
}

/**
 * A browser keeps one cookie for a name, path and domain: two pools that issue the same one on the same host would take
 * each other's sessions away. Every route is compared with all earlier ones by what is kept of them for each host and
 * each ending of hosts, so that the time grows with the number of routes and not with its square. Each route is told of
 * one pool at most.
 */
export function checkSharedCookies(routes: readonly PlacedRoute[], pools: readonly PoolParts[], report: Report): void {
  const cookies = new Map<string, Cookie>();
  for (const { name, affinity } of pools) {
    const cookie = affinity.find((strategy) => strategy?.by === 'cookie');
    if (cookie !== undefined) cookies.set(name, cookie);
  }
  const coveredFrom = coverage(routes);
  /** Of the routes so far by cookie, in one map each for a host and for all hosts that end in something. */
  const here = new Map<string, Best>();
  const below = new Map<string, Best>();
  const told = new Set<string>();
  for (const [index, { route, path }] of routes.entries()) {
    const cookie = cookies.get(route.pool);
    if (!route.sticky || !cookie?.name) continue;
    const { name, domain } = cookie;
    // A cookie with a domain goes to all hosts of it, whichever host issued it.
    const host = domain === null ? route.match.host : null;
    const until = domain === null ? coveredFrom(host) : Number.POSITIVE_INFINITY;
    // Whatever comes for this host is gone before it gets here.
    if (until < index) continue;
    const group = JSON.stringify([name, cookie.path, domain]);
    const other = find(host, index, group, route.pool);
    const pair = [route.pool, other].sort().join('\n');
    if (other !== null && !told.has(pair)) {
      told.add(pair);
      report.error(
        path,
        `pool ${route.pool} and pool ${other} issue the same cookie ${got(name)} on the same host, and would take each other's sessions away: give one of them a name of its own, such as affinity: [{ by: cookie, name: ${name}-${route.pool} }] in pools.${route.pool}`,
      );
    }
    keep(here, `${group} ${host}`, route.pool, -index);
    for (const ending of endings(host)) keep(below, `${group} ${ending}`, route.pool, until);
  }

  /** A pool other than this one with an earlier route that shares a host with this one. */
  function find(host: string | null, index: number, group: string, pool: string): string | null {
    for (const wider of new Set([host, ...endings(host)])) {
      const found = another(here.get(`${group} ${wider}`), pool, Number.NEGATIVE_INFINITY);
      if (found !== null) return found;
    }
    // Narrower ones count for as long as nothing takes all requests of their host away.
    return host === null || host.startsWith('*.') ? another(below.get(`${group} ${host}`), pool, index) : null;
  }
}

/**
 * The patterns other than itself that a host pattern lies in, and itself where it is one: `a.b.c` in `*.b.c`, `*.c` and
 * null.
 */
function* endings(host: string | null): Generator<string | null> {
  for (let dot = host?.indexOf('.') ?? -1; dot !== -1; dot = host!.indexOf('.', dot + 1)) yield `*${host!.slice(dot)}`;
  yield null;
}

/** Says from which route on no request of a host pattern is left: a route on the host alone takes all of them. */
function coverage(routes: readonly PlacedRoute[]): (host: string | null) => number {
  const first = new Map<string | null, number>();
  for (const [index, { route }] of routes.entries()) {
    const { host } = route.match;
    if (takesWholeHost(route.match) && !first.has(host)) first.set(host, index);
  }
  return (host) => {
    let least = first.get(host) ?? Number.POSITIVE_INFINITY;
    for (const wider of endings(host)) least = Math.min(least, first.get(wider) ?? Number.POSITIVE_INFINITY);
    return least;
  };
}

function keep(bests: Map<string, Best>, key: string, pool: string, rank: number): void {
  const best = bests.get(key);
  if (best === undefined) bests.set(key, { pool, rank, otherPool: null, otherRank: Number.NEGATIVE_INFINITY });
  else if (best.pool === pool) best.rank = Math.max(best.rank, rank);
  else if (rank > best.rank) {
    best.otherPool = best.pool;
    best.otherRank = best.rank;
    best.pool = pool;
    best.rank = rank;
  } else if (best.otherPool === null || rank > best.otherRank) {
    best.otherPool = pool;
    best.otherRank = rank;
  }
}

/** The best pool that is not this one, if its rank is `least` or more. */
function another(best: Best | undefined, pool: string, least: number): string | null {
  if (best === undefined) return null;
  const [found, rank] = best.pool === pool ? [best.otherPool, best.otherRank] : [best.pool, best.rank];
  return rank >= least ? found : null;
}
