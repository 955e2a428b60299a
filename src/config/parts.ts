/**
 * The parts of a configuration that the cross checks compare, each key read on its own: a mistake in one key
 * hides only that key, so that the other mistakes are found in the same run.
 */
import type { z } from 'zod';
import { affinitySchema, verifyWrittenSchema } from './affinity-schema.ts';
import type { KeyPath } from './config-error.ts';
import { listenerSchema, routeSchema } from './listener-schema.ts';
import { valueAt } from './messages.ts';
import { backendSchema, dnsDiscoverySchema, poolSchema } from './pool-schema.ts';
import { configSchema } from './schema.ts';

/** Where the checks put what they find. */
export interface Report {
  error(path: KeyPath, message: string, at?: 'key' | 'value'): void;
  warn(path: KeyPath, message: string, at?: 'key' | 'value'): void;
}

/** The keys of a map that the schema accepts, defaults filled in; the others are undefined. */
type Read<S extends z.ZodObject> = { readonly [K in keyof z.output<S>]: z.output<S>[K] | undefined };

type AffinitySchema = (typeof affinitySchema)['options'][number];
type ReadAffinity<S> = S extends AffinitySchema ? Read<S> & { readonly by: z.output<S>['by'] } : never;

/** One entry of `affinity`, told apart by `by`; `verify` is looked at on its own. */
export type AffinityParts = ReadAffinity<AffinitySchema>;
/** One route; `pattern` is `match.path`, read also when another key of `match` is wrong. */
export type RouteParts = Read<typeof routeSchema> & { readonly pattern: string | null | undefined };
export type VerifyParts = Read<typeof verifyWrittenSchema>;

const sections = {
  session: poolSchema.shape.session.unwrap(),
  failover: poolSchema.shape.failover.unwrap(),
  active: poolSchema.shape.health.unwrap().shape.active.unwrap().unwrap(),
  tls: poolSchema.shape.tls.unwrap(),
  admin: configSchema.shape.admin.unwrap(),
};

/** One pool. */
export interface PoolParts {
  readonly name: string;
  readonly path: KeyPath;
  /** Every id that is written. */
  readonly ids: readonly string[];
  readonly backends: readonly Read<typeof backendSchema>[];
  /** True when backends are looked for, however wrong what says where is. */
  readonly discovered: boolean;
  /** Null: none, or no map. */
  readonly dns: Read<typeof dnsDiscoverySchema> | null;
  /** Undefined where `by` is not known. */
  readonly affinity: readonly (AffinityParts | undefined)[];
  /** By index of `affinity`, where a token has it. */
  readonly verify: ReadonlyMap<number, VerifyParts>;
  readonly session: Read<typeof sections.session>;
  readonly failover: Read<typeof sections.failover>;
  /** Null: none. */
  readonly active: Read<typeof sections.active> | null;
  readonly tls: Read<typeof sections.tls>;
  readonly http2: boolean | undefined;
  readonly sendProxyProtocol: 'off' | 'v1' | 'v2' | undefined;
}

export interface Parts {
  readonly listeners: readonly Read<typeof listenerSchema>[];
  /** Addresses as written. */
  readonly trustedProxies: readonly unknown[];
  /** Null: the key is absent. */
  readonly routes: readonly RouteParts[] | null;
  /** Null: the key is absent or no map. */
  readonly pools: readonly PoolParts[] | null;
  readonly admin: Read<typeof sections.admin>;
}

function read<S extends z.ZodObject>(schema: S, written: unknown): Read<S> {
  const shape: Record<string, z.core.$ZodType> = schema.shape;
  const keys = Object.entries(shape).map(([key, inner]) => [
    key,
    (inner as z.ZodType).safeParse(valueAt(written, [key])).data,
  ]);
  return Object.fromEntries(keys) as Read<S>;
}

function list(written: unknown): readonly unknown[] {
  return Array.isArray(written) ? written : [];
}

function isMap(written: unknown): written is Record<string, unknown> {
  return typeof written === 'object' && written !== null && !Array.isArray(written);
}

/** Reads what can be read of a configuration as written. */
export function readParts(written: unknown): Parts {
  const routes = valueAt(written, ['routes']);
  const pools = valueAt(written, ['pools']);
  return {
    listeners: list(valueAt(written, ['listeners'])).map((listener) => read(listenerSchema, listener)),
    trustedProxies: list(valueAt(written, ['trustedProxies'])),
    routes: routes === undefined ? null : list(routes).map(readRoute),
    pools: isMap(pools) ? Object.entries(pools).map(([name, pool]) => readPool(name, pool)) : null,
    admin: read(sections.admin, valueAt(written, ['admin'])),
  };
}

function readRoute(route: unknown): RouteParts {
  const { path } = read(routeSchema.shape.match.unwrap(), valueAt(route, ['match']));
  return { ...read(routeSchema, route), pattern: path };
}

function readPool(name: string, pool: unknown): PoolParts {
  const backends = list(valueAt(pool, ['backends']));
  const affinity = valueAt(pool, ['affinity']);
  const strategies = list(affinity === undefined ? [{ by: 'cookie' }] : affinity);
  const active = valueAt(pool, ['health', 'active']);
  const discovery = valueAt(pool, ['discovery']) ?? null;
  const dns = valueAt(discovery, ['dns']);
  const verify = strategies.map((strategy) => valueAt(strategy, ['verify']));
  return {
    name,
    path: ['pools', name],
    ids: backends.map((backend) => valueAt(backend, ['id'])).filter((id) => typeof id === 'string'),
    backends: backends.map((backend) => read(backendSchema, backend)),
    discovered: discovery !== null,
    dns: isMap(dns) ? read(dnsDiscoverySchema, dns) : null,
    affinity: strategies.map(readAffinity),
    verify: new Map(
      verify.flatMap((given, index) => (isMap(given) ? [[index, read(verifyWrittenSchema, given)]] : [])),
    ),
    session: read(sections.session, valueAt(pool, ['session'])),
    failover: read(sections.failover, valueAt(pool, ['failover'])),
    active: isMap(active) ? read(sections.active, active) : null,
    tls: read(sections.tls, valueAt(pool, ['tls'])),
    http2: poolSchema.shape.http2.safeParse(valueAt(pool, ['http2'])).data,
    sendProxyProtocol: poolSchema.shape.sendProxyProtocol.safeParse(valueAt(pool, ['sendProxyProtocol'])).data,
  };
}

function readAffinity(written: unknown): AffinityParts | undefined {
  const schema = affinitySchema.options.find(({ shape }) => shape.by.value === valueAt(written, ['by']));
  return schema === undefined ? undefined : (read(schema, written) as AffinityParts);
}
