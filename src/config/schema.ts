/**
 * The configuration: its shape, its defaults (they stand here and in the schemas imported here, nowhere else) and its
 * types. Written form: what a person types (`5s`, `64KiB`, `20%`). Resolved form: the same keys with every default
 * filled in, durations in milliseconds, sizes in bytes, percentages as fractions.
 */
import * as z from 'zod';
import type { affinitySchema } from './affinity-schema.ts';
import { listenerSchema, routeSchema } from './listener-schema.ts';
import { type backendSchema, type dnsDiscoverySchema, nameSchema, poolSchema } from './pool-schema.ts';
import { flag, integer, percentage, size, text, timer } from './scalars.ts';

const WORKERS = 'must be auto or a whole number from 1 to 256';
const file = (what: string) => text(`must be the path of ${what}`);

/** `sessions.redis`, as written. */
export const redisSchema = z.strictObject({
  url: text('must be redis://host:port/db or rediss://host:port/db', /^rediss?:\/\/\S+$/)
    .default('redis://127.0.0.1:6379/0')
    .describe('Address of the server; rediss:// for TLS, with user, password and number of the database where needed.')
    .meta({ examples: ['rediss://limpet:secret@redis.internal:6380/0'] }),
  sentinels: z
    .array(
      z.strictObject({
        host: text('must be a host')
          .describe('Host of a sentinel.')
          .meta({ examples: ['10.0.0.5'] }),
        port: integer(1, 65_535)
          .describe('Port of the sentinel.')
          .meta({ examples: [26379] }),
        name: text('must be a name')
          .optional()
          .describe('Name of the group of servers that the sentinels watch.')
          .meta({ examples: ['mymaster'] }),
      }),
    )
    .default([])
    .describe('Sentinels that know which server is the primary one; empty: the server at url.'),
  cluster: z
    .array(
      z.strictObject({
        host: text('must be a host')
          .describe('Host of a node.')
          .meta({ examples: ['10.0.0.6'] }),
        port: integer(1, 65_535)
          .describe('Port of the node.')
          .meta({ examples: [6379] }),
      }),
    )
    .default([])
    .describe('Some nodes of a Redis Cluster, which name the others; empty: no cluster.'),
  prefix: z
    .string()
    .default('limpet:')
    .describe(
      'Beginning of all names of keys and channels in Redis: give each group of limpets that share sessions its own.',
    ),
  whenDown: z
    .enum(['local', 'reject'])
    .default('local')
    .describe(
      'What happens while Redis is down. local: each node goes on with its own rows and the proof in cookies; reject: a request whose session the node does not know gets 503.',
    ),
});

const sessions = z.strictObject({
  max: integer(1, 100_000_000)
    .default(1_000_000)
    .describe(
      'Most sessions at once; when the table is full, a session that can be spared goes. 80 bytes of memory each. Fixed until a restart.',
    ),
  secretFile: file('a file with one secret a line')
    .nullable()
    .default(null)
    .describe(
      'File with one secret a line (32 bytes or more, as base64 or hex): the first one signs cookies, all of them verify; null: a secret is made at the start, and kept beside the snapshot where there is one.',
    )
    .meta({ examples: ['/etc/limpet/secret'] }),
  snapshot: file('a file')
    .nullable()
    .default(null)
    .describe(
      'File in which the sessions survive a restart: it is replaced every 30 s and at a stop; null: none. Fixed until a restart.',
    )
    .meta({ examples: ['/var/lib/limpet/sessions'] }),
  store: z
    .enum(['memory', 'redis'])
    .default('memory')
    .describe(
      'Who decides which backend a key belongs to. memory: this node alone; redis: all nodes that share a Redis. Fixed until a restart.',
    ),
  redis: redisSchema.nullable().default(null).describe('How to reach Redis, with store: redis. Fixed until a restart.'),
});

const admin = z.strictObject({
  bind: text('must be host:port, [::]:port or unix:/path')
    .nullable()
    .default('127.0.0.1:9900')
    .describe(
      'Address of the admin API: host:port, [::]:port or unix:/path; null: no admin API. Fixed until a restart.',
    )
    .meta({ examples: ['unix:/run/limpet-admin.sock'] }),
  tokenFile: file('a file with the bearer token')
    .nullable()
    .default(null)
    .describe(
      'File with the bearer token of the admin API; required when it listens elsewhere than on loopback or a unix socket. Fixed until a restart.',
    )
    .meta({ examples: ['/etc/limpet/token'] }),
});

const log = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least severity of the lines that are written.'),
  format: z
    .enum(['json', 'pretty'])
    .default('json')
    .describe('json: one JSON document a line; pretty: for people. Fixed until a restart.'),
  access: flag().default(true).describe('Whether the log has one line for each request.'),
  audit: file('a file')
    .nullable()
    .default(null)
    .describe('File that gets one JSON line for each event of a session; null: none.')
    .meta({ examples: ['/var/log/limpet/audit.jsonl'] }),
});

/** The whole configuration file. */
export const configSchema = z.strictObject({
  listeners: z
    .array(listenerSchema)
    .min(1, { error: 'must name at least one listener' })
    .describe('Addresses on which limpet accepts connections.'),
  trustedProxies: z
    .array(text('must be a CIDR such as 10.0.0.0/8 or fd00::/8, or unix:'))
    .default([])
    .describe(
      'Networks of proxies whose X-Forwarded-* and Forwarded fields and PROXY header are believed; "unix:" for those who connect by a unix socket.',
    )
    .meta({ examples: [['10.0.0.0/8', 'fd00::/8'], ['unix:']] }),
  routes: z
    .array(routeSchema)
    .min(1, { error: 'must name at least one route; leave routes out when there is exactly one pool' })
    .optional()
    .describe(
      'Which pool a request goes to: the first route that matches wins, without one the answer is 404. May be left out when there is exactly one pool.',
    ),
  pools: z.record(nameSchema, poolSchema).describe('Groups of backends, by name.'),
  sessions: sessions.prefault({}).describe('Where sessions are kept, for all pools.'),
  admin: admin.prefault({}).describe('The admin API and the dashboard.'),
  log: log.prefault({}).describe('What limpet writes, and how.'),
  tracing: z
    .strictObject({
      otlp: text('must be the address of an OTLP/HTTP endpoint, such as http://127.0.0.1:4318', /^https?:\/\/\S+$/)
        .nullable()
        .default(null)
        .describe(
          'OTLP/HTTP endpoint that spans are sent to, at /v1/traces where it has no path; null: no spans are made.',
        )
        .meta({ examples: ['http://127.0.0.1:4318'] }),
      sample: percentage()
        .prefault('1%')
        .describe('Share of the traces that is sampled; where a trusted proxy has decided, its decision counts.'),
    })
    .prefault({})
    .describe('Traces for an OpenTelemetry collector.'),
  limits: z
    .strictObject({
      memory: z
        .union([percentage(), size(2 ** 24, 2 ** 50)], {
          error: 'must be a percentage such as 70%, a size such as 512MiB (16MiB or more), or null',
        })
        .nullable()
        .prefault('70%')
        .describe(
          'Most memory of the heap and the buffers of connections together, as a share of what the cgroup or the machine has, or as a size: above it no new connection is accepted and idle ones close, a tenth above it connections end; null: no limit.',
        )
        .meta({ examples: ['512MiB'] }),
    })
    .prefault({})
    .describe('Limits of the whole process.'),
  workers: z
    .union([z.literal('auto'), z.int().min(1, { error: WORKERS }).max(256, { error: WORKERS })], { error: WORKERS })
    .default('auto')
    .describe('Number of threads that carry traffic; auto: one for each core. Fixed until a restart.')
    .meta({ examples: [4] }),
  sockets: z
    .enum(['auto', 'system', 'node'])
    .default('auto')
    .describe(
      'How connections are read. system: by system calls of limpet (node:ffi; Linux on x64 and arm64); node: through Node; auto: system where limpet was tested with this version of Node. Each worker proves it at its start, and goes on with node where it does not work. Fixed until a restart.',
    ),
  watchdog: timer('zero')
    .prefault('10s')
    .describe(
      'How long a worker may use CPU without any progress until it is ended and started again; 0: for ever. Linux only.',
    ),
  shutdown: z
    .strictObject({
      grace: timer('zero').prefault('30s').describe('Time that a stop leaves requests under way to finish.'),
      idle: timer('zero')
        .prefault('1s')
        .describe(
          'Time that a stop leaves clients to send a next request on an idle connection; its answer says Connection: close.',
        ),
    })
    .prefault({})
    .describe('How limpet stops.'),
  watch: flag().default(false).describe('Whether limpet reloads by itself when this file changes.'),
});

type Frozen<T> = T extends readonly (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** What the schema makes of the file; `routes` may still be absent. */
export type ParsedConfig = z.output<typeof configSchema>;

/** The resolved configuration. Files are absolute paths, `routes` is always there. */
export type Config = Frozen<Omit<ParsedConfig, 'routes'>> & {
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
/** `pools.NAME.health`. */
type HealthConfig = PoolConfig['health'];
/** `pools.NAME.health.active`, when there are probes. */
export type ActiveHealthConfig = NonNullable<HealthConfig['active']>;
/** `pools.NAME.health.passive`, when traffic is looked at. */
export type PassiveHealthConfig = NonNullable<HealthConfig['passive']>;
/** `sessions`: the table that all pools share. */
export type SessionsConfig = Config['sessions'];
/** `admin`. */
export type AdminConfig = Config['admin'];
