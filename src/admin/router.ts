import type { Route } from './route.ts';

/** Where a request leads. */
type Match =
  | { readonly kind: 'route'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is there and this method is not. */
  | { readonly kind: 'method'; readonly allow: string; readonly open: boolean }
  | { readonly kind: 'none' }
  /** A segment is not valid percent-encoding. */
  | { readonly kind: 'malformed' };

/** Finds the route of a request; HEAD goes where GET goes. */
export class Router {
  readonly #routes: readonly { readonly route: Route; readonly segments: readonly string[] }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, segments: route.path.split('/') }));
  }

  /** @param path without query, still percent-encoded */
  match(method: string, path: string): Match {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const segments = path.split('/');
    const allow = new Set<string>();
    let open = false;
    for (const entry of this.#routes) {
      const params = matchSegments(entry.segments, segments);
      if (params === null) continue;
      if (entry.route.method !== wanted) {
        allow.add(entry.route.method);
        if (entry.route.method === 'GET') allow.add('HEAD');
        open ||= entry.route.open;
        continue;
      }
      try {
        for (const name of Object.keys(params)) params[name] = decodeURIComponent(params[name]!);
      } catch {
        return { kind: 'malformed' };
      }
      return { kind: 'route', route: entry.route, params };
    }
    if (allow.size === 0) return { kind: 'none' };
    return { kind: 'method', allow: [...allow, 'OPTIONS'].join(', '), open };
  }
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const params: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i++) {
    const part = pattern[i]!;
    const segment = segments[i]!;
    if (part.startsWith(':')) {
      if (segment === '') return null;
      params[part.slice(1)] = segment;
    } else if (part !== segment) return null;
  }
  return params;
}
