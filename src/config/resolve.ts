import { dirname, resolve as resolvePath } from 'node:path';
import { parseBackendUrl } from './backend-url.ts';
import { parseCidr } from './cidr.ts';
import { routeSchema } from './listener-schema.ts';
import { parseNameServer } from './name-server.ts';
import type { ParsedConfig } from './schema.ts';
import {
  type AdminConfig,
  type BackendConfig,
  type Config,
  type DnsDiscoveryConfig,
  type ListenerConfig,
  redisSchema,
} from './schema.ts';
import { withFiles } from './strategy-places.ts';

/**
 * Puts a valid configuration into the form that the program reads: one spelling of every address, files as absolute
 * paths (relative ones are meant from the directory of the configuration file), and the route that one pool does not
 * need.
 */
export function resolveConfig(config: ParsedConfig, file: string): Config {
  const path = (name: string | null) => resolveFile(name, file);
  const pools: Record<string, Config['pools'][string]> = {};
  for (const [name, pool] of Object.entries(config.pools)) {
    pools[name] = {
      ...pool,
      backends: pool.backends.map((backend): BackendConfig => {
        const url = parseBackendUrl(backend.url);
        return 'error' in url ? backend : { ...backend, url: url.url };
      }),
      tls: { ...pool.tls, ca: path(pool.tls.ca), cert: path(pool.tls.cert), key: path(pool.tls.key) },
      discovery: pool.discovery === null ? null : { dns: resolveDns(pool.discovery.dns) },
      affinity: pool.affinity.map((strategy) => withFiles(strategy, (name) => resolveFile(name, file)!)),
    };
  }
  return {
    ...config,
    listeners: config.listeners.map((listener) => ({ ...listener, tls: resolveTls(listener.tls, file) })),
    trustedProxies: config.trustedProxies.map((text) => {
      const parsed = parseCidr(text);
      return 'error' in parsed ? text : parsed.cidr;
    }),
    routes: config.routes ?? Object.keys(pools).map((pool) => routeSchema.parse({ pool })),
    pools,
    sessions: {
      ...config.sessions,
      secretFile: path(config.sessions.secretFile),
      snapshot: path(config.sessions.snapshot),
      redis: config.sessions.redis ?? (config.sessions.store === 'redis' ? redisSchema.parse({}) : null),
    },
    admin: resolveAdmin(config.admin, file),
    log: { ...config.log, audit: path(config.log.audit) },
  };
}

function resolveDns(dns: DnsDiscoveryConfig): DnsDiscoveryConfig {
  const servers = dns.servers.map((text) => {
    const parsed = parseNameServer(text);
    return 'error' in parsed ? text : parsed.server;
  });
  // Names have no case, and the last dot only says that no search domain is to be added.
  return { ...dns, name: dns.name.toLowerCase(), servers };
}

function resolveTls(tls: ListenerConfig['tls'], file: string): ListenerConfig['tls'] {
  if (tls === null) return null;
  const path = (name: string) => resolveFile(name, file)!;
  return {
    ...tls,
    certificates: tls.certificates.map(({ cert, key }) => ({ cert: path(cert), key: path(key) })),
    clientCa: resolveFile(tls.clientCa, file),
  };
}

/** The same for the section `admin` alone. */
export function resolveAdmin(admin: AdminConfig, file: string): AdminConfig {
  return { ...admin, tokenFile: resolveFile(admin.tokenFile, file) };
}

function resolveFile(name: string | null, file: string): string | null {
  return name === null ? null : resolvePath(dirname(resolvePath(file)), name);
}
