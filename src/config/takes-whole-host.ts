import type { RouteMatchConfig } from './schema.ts';

/** True when a route asks for nothing but the host: no request of it is left for later routes. */
export function takesWholeHost({ path, methods, headers }: RouteMatchConfig): boolean {
  return (path === null || path === '/') && methods.length === 0 && Object.keys(headers).length === 0;
}
