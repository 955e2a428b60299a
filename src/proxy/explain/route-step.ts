import type { RouteConfig } from '../../config/schema.ts';
import type { Head } from '../../http1/head.ts';
import type { RouteTrace } from '../../routing/router.ts';
import type { ExplainStep } from './explanation.ts';

/** Which route a request takes, and why none before it. */
export function routeStep(trace: RouteTrace, routes: readonly RouteConfig[], head: Head): ExplainStep {
  const { route, misses, readings } = trace;
  const others = misses.map((miss, index) => `route ${index} does not: ${whyNot(miss, routes[index]!.match, head)}`);
  if (route !== null) {
    const match = `Route ${route.index} (${wanted(routes[route.index]!.match)}) is the first that matches`;
    return { step: 'route', outcome: `route ${route.index}`, detail: `${[match, ...others].join('; ')}.` };
  }
  const outcome = 'none';
  if (readings === null) {
    const detail = `No route matches, so limpet answers 404 NO_ROUTE: ${others.join('; ')}.`;
    return { step: 'route', outcome, detail };
  }
  const ways = readings.length === 0 ? 'it holds %00, at which some servers stop' : `as ${readings.join(' or as ')}`;
  const detail = `Servers read this path in different ways (${ways}), which lead to different routes: none is taken, and limpet answers 404 NO_ROUTE.`;
  return { step: 'route', outcome, detail };
}

function wanted({ host, path, methods, headers }: RouteConfig['match']): string {
  const parts = [
    ...(host === null ? [] : [`host ${host}`]),
    ...(path === null ? [] : [`path ${path}`]),
    ...(methods.length === 0 ? [] : [`method ${methods.join(' or ')}`]),
    ...Object.entries(headers).map(([name, value]) => `header ${name}: ${value}`),
  ];
  return parts.length === 0 ? 'any request' : parts.join(', ');
}

function whyNot(miss: RouteTrace['misses'][number], match: RouteConfig['match'], head: Head): string {
  switch (miss) {
    case 'host':
      return `the host is not ${match.host}`;
    case 'path':
      return `the path is not ${match.path}`;
    case 'head': {
      const { methods, headers } = match;
      if (methods.length > 0 && !methods.includes(head.method)) return `the method is not ${methods.join(' or ')}`;
      const wants = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      return `it has not the header${wants.length === 1 ? '' : 's'} ${wants.join(', ')}`;
    }
  }
}
