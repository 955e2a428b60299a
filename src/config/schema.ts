/**
 * The configuration: its shape, its defaults (they stand here and in the schemas imported here, nowhere else) and its types.
 * Written form: what a person types (`5s`, `64KiB`, `20%`). Resolved form: the same keys with every default filled in,
 * durations in milliseconds, sizes in bytes, percentages as fractions.
 */
import { z } from 'zod';
import type { affinitySchema } from './affinity-schema.ts';
import { listenerSchema, routeSchema } from './listener-schema.ts';
import { type backendSchema, type dnsDiscoverySchema, nameSchema, poolSchema } from './pool-schema.ts';
import { flag, integer, percentage, size, text, timer } from './scalars.ts';

const WORKERS = 'must be auto or a whole number from 1 to 256';
const file = (what: string) => text(`must be the path of ${what}`);

/** `sessions.redis`, as written. */
export const redisSchema = z.strictObject({
  url: text('must be redis://host:port/db or rediss://host:port/db', /^rediss?:\/\/\S+$/).default(
    'redis://127.0.0.1:6379/0',
  ),
  sentinels: z
    .array(
      z.strictObject({
        host: text('must be a host'),
        port: integer(1, 65_535),
        name: text('must be a name').optional(),
      }),
    )
    .default([]),
  cluster: z.array(z.strictObject({ host: text('must be a host'), port: integer(1, 65_535) })).default([]),
  prefix: z.string().default('limpet:'),
  whenDown: z.enum(['local', 'reject']).default('local'),
});

const sessions = z.strictObject({
  max: integer(1, 100_000_000)
    .default(1_000_000)
    .describe('Rows of the table; when full, the least recently used row of a bucket goes'),
  secretFile: file('a file with one secret a line')
    .nullable()
    .default(null)
    .describe('One secret a line (32 bytes or more, base64 or hex); the first signs, all verify; null: made at start'),
  snapshot: file('a file')
    .nullable()
    .default(null)
    .describe('Rows survive a restart in this file, which is replaced every 30 s and at a stop; null: they do not'),
  store: z.enum(['memory', 'redis']).default('memory').describe('Where sessions are kept'),
  redis: redisSchema.nullable().default(null).describe('For store: redis'),
});

const admin = z.strictObject({
  bind: text('must be host:port, [::]:port or unix:/path')
    .nullable()
    .default('127.0.0.1:9900')
    .describe('host:port, [::]:port or unix:/path; null: none'),
  tokenFile: file('a file with the bearer token')
    .nullable()
    .default(null)
    .describe('File with the bearer token; required when bind is not loopback or a unix socket'),
});

const log = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least severe lines that are written'),
  format: z.enum(['json', 'pretty']).default('json').describe('pretty: for people'),
  access: flag().default(true).describe('true: one line a request'),
  audit: file('a file').nullable().default(null).describe('File with one JSON line for each session event'),
});

/** The whole configuration file. */
export const configSchema = z.strictObject({
  listeners: z
    .array(listenerSchema)
    .min(1, { error: 'must name at least one listener' })
    .describe('Addresses that limpet accepts connections on'),
  trustedProxies: z
    .array(text('must be a CIDR such as 10.0.0.0/8 or fd00::/8, or unix:'))
    .default([])
    .describe(
      'CIDRs whose X-Forwarded-For, Forwarded and PROXY header is believed; "unix:" for whoever connects by a unix socket',
    ),
  routes: z
    .array(routeSchema)
    .min(1, { error: 'must name at least one route; leave routes out when there is exactly one pool' })
    .optional()
    .describe('First match wins, no match: 404. Absent with exactly one pool: everything goes there'),
  pools: z.record(nameSchema, poolSchema).describe('The pools by name'),
  sessions: sessions.prefault({}),
  admin: admin.prefault({}),
  log: log.prefault({}),
  tracing: z
    .strictObject({
      otlp: text('must be the address of an OTLP/HTTP endpoint, such as http://127.0.0.1:4318', /^https?:\/\/\S+$/)
        .nullable()
        .default(null)
        .describe('OTLP/HTTP endpoint that spans are sent to, /v1/traces when it has no path; null: no spans are made'),
      sample: percentage()
        .prefault('1%')
        .describe('Share of the traces that is sampled; where a trusted proxy has decided, its decision counts'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      memory: z
        .union([percentage(), size(2 ** 24, 2 ** 50)], {
          error: 'must be a percentage such as 70%, a size such as 512MiB (16MiB or more), or null',
        })
        .nullable()
        .prefault('70%')
        .describe(
          "Heap and connections' buffers together, as a share of what the cgroup or the machine has, or as a size; above it no new connections and idle ones close, a tenth above it connections end; null: no limit",
        ),
    })
    .prefault({}),
  workers: z
    .union([z.literal('auto'), z.int().min(1, { error: WORKERS }).max(256, { error: WORKERS })], { error: WORKERS })
    .default('auto')
    .describe('Threads that carry traffic; auto: one per core'),
  shutdown: z
    .strictObject({
      grace: timer('zero').prefault('30s').describe('Time for what is under way to finish at a stop'),
      idle: timer('zero')
        .prefault('1s')
        .describe(
          'Time that a stop leaves clients to send a next request on an idle connection: its answer says Connection: close',
        ),
    })
    .prefault({}),
  watch: flag().default(false).describe('true: reload when this file changes'),
});

type Frozen<T> = T extends readonly (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** The resolved configuration. Files are absolute paths, `routes` is always there. */
export type Config = Frozen<Omit<z.output<typeof configSchema>, 'routes'>> & {
  readonly routes: readonly RouteConfig[];
};
/** `listeners[]`; see `parseBind` for the parts of `bind`. */
export type ListenerConfig = Frozen<z.output<typeof listenerSchema>>;
/** `routes[]`; host and header names are in lower case. */
export type RouteConfig = Frozen<z.output<typeof routeSchema>>;
/** `routes[].match`; null or empty: anything. */
export type RouteMatchConfig = RouteConfig['match'];
/** `pools.NAME`. */
export type PoolConfig = Frozen<z.output<typeof poolSchema>>;
/** `pools.NAME.backends[]`; `url` always is `http://host:port`, `https://host:port` or `unix:/path`. */
export type BackendConfig = Frozen<z.output<typeof backendSchema>>;
/** `pools.NAME.discovery.dns`; `port` is null with type SRV only, `servers` always are `address:port`. */
export type DnsDiscoveryConfig = Frozen<z.output<typeof dnsDiscoverySchema>>;
/** `pools.NAME.balance`. */
export type BalanceName = PoolConfig['balance'];
/** `pools.NAME.affinity[]`, a union told apart by `by`. */
export type AffinityConfig = Frozen<z.output<typeof affinitySchema>>;
/** `pools.NAME.affinity[]` with one value of `by`. */
export type AffinityConfigOf<By extends AffinityConfig['by']> = Extract<AffinityConfig, { readonly by: By }>;
/** `verify` of a token key: exactly one of `secret`, `publicKeyFile` and `jwksUrl` is not null. */
export type TokenVerifyConfig = NonNullable<AffinityConfigOf<'token'>['verify']>;
/** `pools.NAME.session`. */
export type SessionConfig = PoolConfig['session'];
/** `pools.NAME.failover`. */
export type FailoverConfig = PoolConfig['failover'];
/** `pools.NAME.retry`. */
export type RetryConfig = PoolConfig['retry'];
/** `pools.NAME.timeouts`. */
export type PoolTimeoutsConfig = PoolConfig['timeouts'];
/** `pools.NAME.health`. */
export type HealthConfig = PoolConfig['health'];
/** `pools.NAME.health.active`, when there are probes. */
export type ActiveHealthConfig = NonNullable<HealthConfig['active']>;
/** `pools.NAME.health.passive`, when traffic is looked at. */
export type PassiveHealthConfig = NonNullable<HealthConfig['passive']>;
/** `sessions`: the table that all pools share. */
export type SessionsConfig = Config['sessions'];
/** `admin`. */
export type AdminConfig = Config['admin'];
/** `log`. */
export type LogConfig = Config['log'];
