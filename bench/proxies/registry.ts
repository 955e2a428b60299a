import { caddy } from './caddy.ts';
import { floor } from './floor.ts';
import { haproxy } from './haproxy.ts';
import { limpet, OWN_ROOT } from './limpet.ts';
import { nginx } from './nginx.ts';
import { nodeLibrary } from './node-library.ts';
import type { ProxyKind } from './proxy-kind.ts';

/** Names of everything that can be measured. */
export const PROXY_NAMES = [
  'limpet',
  'haproxy',
  'nginx',
  'caddy',
  'http-proxy',
  'http-proxy-3',
  'fastify',
  'undici',
  'floor',
] as const;

export type ProxyName = (typeof PROXY_NAMES)[number];

/** What is measured when nothing is named: the floor is no proxy that anybody would run. */
export const DEFAULT_PROXIES: readonly ProxyName[] = PROXY_NAMES.filter((name) => name !== 'floor');

/** What `--quick` takes: of the libraries on node:http one that stands for all, and undici. */
export const QUICK_PROXIES: readonly ProxyName[] = ['limpet', 'haproxy', 'nginx', 'caddy', 'http-proxy', 'undici'];

const KEEP_ALIVE = 'keep-alive agent, Map learned from the application cookie';
const library = (name: string, setup = KEEP_ALIVE) =>
  nodeLibrary({ name, package: name, script: 'http-proxy-server.ts', setup, websocket: true });

/** The proxies by name. `fromSource`: limpet runs from src and not from dist. */
export function proxies(fromSource: boolean): Record<ProxyName, ProxyKind> {
  return {
    limpet: limpet({ name: 'limpet', root: OWN_ROOT, fromSource }),
    haproxy,
    nginx,
    caddy,
    'http-proxy': library('http-proxy'),
    'http-proxy-3': library('http-proxy-3'),
    fastify: nodeLibrary({
      name: 'fastify',
      package: '@fastify/http-proxy',
      script: 'fastify-server.ts',
      setup: '@fastify/http-proxy (undici), Map learned from the application cookie',
      websocket: false,
    }),
    undici: nodeLibrary({
      name: 'undici',
      package: 'undici',
      script: 'undici-server.ts',
      setup: 'node:http in front, undici.Pool behind, Map learned from the application cookie',
      websocket: false,
    }),
    floor,
  };
}
