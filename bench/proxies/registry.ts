import { floor } from './floor.ts';
import { haproxy } from './haproxy.ts';
import { httpProxyLibrary } from './http-proxy.ts';
import { limpet } from './limpet.ts';
import { nginx } from './nginx.ts';
import type { ProxyKind } from './proxy-kind.ts';

/** Names of everything that can be measured. */
export const PROXY_NAMES = ['limpet', 'haproxy', 'nginx', 'http-proxy', 'floor'] as const;

export type ProxyName = (typeof PROXY_NAMES)[number];

/** What is measured when nothing is named: the floor is no proxy that anybody would run. */
export const DEFAULT_PROXIES: readonly ProxyName[] = ['limpet', 'haproxy', 'nginx', 'http-proxy'];

/** Those that have TLS in front in this benchmark. */
export const TLS_PROXIES: readonly ProxyName[] = ['limpet', 'haproxy', 'nginx'];

/** The proxies by name. `fromSource`: limpet runs from src and not from dist. */
export function proxies(fromSource: boolean): Record<ProxyName, ProxyKind> {
  return { limpet: limpet(fromSource), haproxy, nginx, 'http-proxy': httpProxyLibrary, floor };
}
