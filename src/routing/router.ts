import type { Pool } from '../backends/pool.ts';
import type { RouteConfig } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import type { Head } from '../http1/head.ts';
import { isPlainPath, readPath } from '../http1/path-reading.ts';
import { CrossSite } from './cross-site.ts';
import { compileMatch, type Matchers } from './matchers.ts';

/** Where a request goes. */
export interface Route {
  readonly pool: Pool;
  /** False: this route neither reads nor writes sessions. */
  readonly sticky: boolean;
  /** Its place in the configuration, from 0. */
  readonly index: number;
  /** The path that it matches as configured, without the mark of its kind; `/`: any. */
  readonly path: string;
  /** Refuses requests that other sites make a browser send; null: nobody asked for that. */
  readonly csrf: CrossSite | null;
}

interface CompiledRoute extends Matchers {
  readonly route: Route;
}

/** Why a request has the route that it has. */
export interface RouteTrace {
  readonly route: Route | null;
  /**
   * What did not match of each route that was looked at before that one, in their order; `head` is its method or a
   * header.
   */
  readonly misses: readonly ('host' | 'path' | 'head')[];
  /**
   * The ways in which servers may read the path, when they lead to different routes and none is taken; empty: there is
   * no safe one. Null: that is not so.
   */
  readonly readings: readonly string[] | null;
}

/** Chooses the route of a request: the first that matches. */
export class Router {
  readonly #routes: readonly CompiledRoute[];
  /** The route of every request, when the first one asks for nothing. */
  readonly #only: Route | null;
  readonly #byHost: boolean;
  readonly #byPath: boolean;

  constructor(routes: readonly CompiledRoute[]) {
    this.#routes = routes;
    const first = routes[0];
    this.#only =
      first !== undefined && first.host === null && first.path === null && first.head === null ? first.route : null;
    this.#byHost = routes.some(({ host }) => host !== null);
    this.#byPath = routes.some(({ path }) => path !== null);
  }

  /**
   * The route of this request, or null: none matches.
   *
   * The backend gets the path as it came, and may read it differently. Routes see it with dot segments resolved, so
   * that `/public/../admin` takes the route of `/admin`; and where some server's reading (`%2F` or `\` as a separator,
   * `..;`) leads to another route, no route is taken at all: nobody chooses a route by the way a path is spelled.
   */
  match(head: Head): Route | null {
    if (this.#only !== null) return this.#only;
    const { text, pathStart, pathEnd } = head;
    if (!this.#byPath || isPlainPath(text, pathStart, pathEnd)) return this.#select(head, text, pathStart, pathEnd);
    if (text.charCodeAt(pathStart) !== 0x2f && pathStart < pathEnd) {
      // `*` of OPTIONS and the authority of CONNECT: no path.
      return this.#select(head, text, pathStart, pathEnd);
    }
    const readings = readPath(head.path);
    if (readings === null) return null;
    const [usual = '', ...others] = readings;
    const route = this.#select(head, usual, 0, usual.length);
    return others.every((path) => this.#select(head, path, 0, path.length) === route) ? route : null;
  }

  /** The same as `match`, with what led there. Off the hot path. */
  trace(head: Head): RouteTrace {
    const route = this.match(head);
    const { text, pathStart } = head;
    const spelled = this.#only === null && this.#byPath && text.charCodeAt(pathStart) === 0x2f;
    const readings = spelled ? readPath(head.path) : [head.path];
    if (readings === null) return { route, misses: [], readings: [] };
    const of = (path: string, misses: RouteTrace['misses'][number][] | null = null) =>
      this.#select(head, path, 0, path.length, misses);
    if (route === null && readings.some((path) => of(path) !== null)) return { route, misses: [], readings };
    const misses: RouteTrace['misses'][number][] = [];
    of(readings[0]!, misses);
    return { route, misses, readings: null };
  }

  /** @param misses gets what did not match of each route before the one that does */
  #select(
    head: Head,
    path: string,
    pathStart: number,
    pathEnd: number,
    misses: RouteTrace['misses'][number][] | null = null,
  ): Route | null {
    const text = head.text;
    let hostStart = 0;
    let hostEnd = 0;
    if (this.#byHost) {
      hostStart = head.authorityEnd > 0 ? head.authorityStart : head.hostLine < 0 ? 0 : head.valueStart(head.hostLine);
      hostEnd = head.authorityEnd > 0 ? head.authorityEnd : head.hostLine < 0 ? 0 : head.valueEnd(head.hostLine);
      hostEnd = withoutPort(text, hostStart, hostEnd);
    }
    for (let i = 0; i < this.#routes.length; i++) {
      const { host, path: matchesPath, head: matchesHead, route } = this.#routes[i]!;
      if (host !== null && !host(text, hostStart, hostEnd)) misses?.push('host');
      else if (matchesPath !== null && !matchesPath(path, pathStart, pathEnd)) misses?.push('path');
      else if (matchesHead !== null && !matchesHead(head)) misses?.push('head');
      else return route;
    }
    return null;
  }
}

/**
 * Compiles the routes of a configuration.
 * @throws StartError when a route names a pool that is not there, or can never match.
 */
export function buildRouter(
  config: { readonly routes: readonly RouteConfig[] },
  pools: ReadonlyMap<string, Pool>,
): Router {
  return new Router(
    config.routes.map(({ match, pool: name, sticky, csrf, allowOrigins }, index) => {
      const pool = pools.get(name);
      if (pool === undefined) throw new StartError(`routes[${index}].pool: there is no pool ${name}`);
      const path = match.path?.replace(/^[=~] /, '') ?? '/';
      const route = { pool, sticky, index, path, csrf: csrf === 'off' ? null : new CrossSite(allowOrigins) };
      return { ...compileMatch(match, `routes[${index}].match`), route };
    }),
  );
}

/**
 * End of the name in `host:port`, `[v6]:port`, and of `shop.example.` without its last dot: what the parser let through
 * has at most one colon outside of brackets.
 */
function withoutPort(text: string, start: number, end: number): number {
  let stop = end;
  for (let i = end - 1; i >= start; i--) {
    const code = text.charCodeAt(i);
    if (code === 0x3a) {
      stop = i;
      break;
    }
    if (code < 0x30 || code > 0x39) break;
  }
  return stop > start + 1 && text.charCodeAt(stop - 1) === 0x2e ? stop - 1 : stop;
}
