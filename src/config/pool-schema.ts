/** A named group of backends that serve the same application, and how its sessions are kept. */
import { z } from 'zod';
import { affinitySchema, headerName } from './affinity-schema.ts';
import { methodSchema, pathPattern } from './listener-schema.ts';
import { duration, flag, integer, percentage, rate, size, statusRanges, text, timer } from './scalars.ts';

/** Names of pools and backends stand in headers, metrics and addresses of the admin API. */
export const nameSchema = text(
  'must be a name of letters, digits and any of . _ : @ ~ + - that begins with a letter, a digit or _ (128 characters at most; put a number in quotes)',
  /^[A-Za-z0-9_][A-Za-z0-9._:@~+-]{0,127}$/,
);

/** One server of a pool. */
export const backendSchema = z.strictObject({
  id: nameSchema.describe('Name of the backend, unique in its pool; sessions are bound to it'),
  url: text('must be http://host:port, https://host:port or unix:/path').describe(
    'http://host:port, https://host:port or unix:/path',
  ),
  weight: integer(0, 65_535).default(1).describe('Share of new sessions; 0: no new sessions'),
  replicas: z
    .array(text('must be the id of another backend of this pool'))
    .default([])
    .describe('Backends that hold a copy of its session state, the first choice first'),
  maxRequests: integer(0, 1_000_000).default(0).describe('Most requests in flight at once, others wait; 0: no limit'),
  state: z.enum(['ready', 'drain', 'maintenance']).default('ready').describe('Admin state at the start'),
  backup: flag().default(false).describe('true: gets new sessions only when no other backend is available'),
});

/** Labels of letters, digits, `-` and `_` (which service names have, RFC 2782), at most 253 characters, with or without the last dot. */
const HOST_NAME =
  /^(?=.{1,253}\.?$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/;

/** Backends that the DNS knows, looked up again and again. */
export const dnsDiscoverySchema = z.strictObject({
  name: text('must be a host name such as shop.internal or _http._tcp.shop.internal', HOST_NAME).describe(
    'Name that is looked up; each address, or each SRV record, is a backend',
  ),
  type: z
    .enum(['A', 'AAAA', 'SRV'])
    .default('A')
    .describe('A: IPv4 addresses; AAAA: IPv6 addresses; SRV: targets with their ports, weights and priorities'),
  port: integer(1, 65_535)
    .nullable()
    .default(null)
    .describe('Port of the backends: required for A and AAAA, left out for SRV, whose records name it'),
  refresh: timer().prefault('10s').describe('Time from one look-up to the next, within a tenth of it'),
  servers: z
    .array(text('must be the address of a DNS server, such as 10.0.0.2:53'))
    .default([])
    .describe(
      "DNS servers to ask, such as 10.0.0.2:53 or [fd00::2]:53, and nothing but them; empty: those of the system, then the system's hosts file and search domains",
    ),
});

const discovery = z.strictObject({ dns: dnsDiscoverySchema.describe('Backends that the DNS knows') });

/** A request after which something happens to its session. */
const trigger = z.strictObject({
  path: pathPattern().describe('As the path of a route'),
  methods: z.array(methodSchema).default([]),
  status: z.array(integer(100, 599)).default([]),
});

const session = z.strictObject({
  idle: duration().prefault('30m').describe('Sliding: time since the last request'),
  lifetime: duration().prefault('12h').describe('Absolute: time since the session began; never extended'),
  bindTo: z
    .array(z.enum(['ip', 'user-agent', 'tls']))
    .default([])
    .describe('What a session must keep'),
  onBindingMismatch: z
    .enum(['observe', 'renew', 'reject'])
    .default('observe')
    .describe('observe: log it; renew: a fresh session; reject: 403'),
  perUser: z
    .strictObject({
      claim: text('must be the name of a claim').default('sub').describe('Claim of the token that names the user'),
      header: headerName().nullable().default(null).describe('Header that names the user, in place of the claim'),
      max: integer(0, 1_000_000).default(0).describe('Most sessions of one user; 0: no limit'),
      whenFull: z.enum(['end-oldest', 'refuse']).default('end-oldest').describe('refuse: 429'),
    })
    .prefault({}),
  rotateOn: z
    .array(trigger)
    .default([])
    .describe('After such a response the session gets a new id, on the same backend'),
  endOn: z.array(trigger).default([]).describe('After such a response the session ends'),
  dialog: z
    .enum(['full-duplex', 'half-duplex', 'simplex'])
    .default('full-duplex')
    .describe('half-duplex: one request of a session at a time; simplex: GET and HEAD only'),
  dialogQueue: z
    .strictObject({
      max: integer(0, 100_000).default(32).describe('Most requests that wait; over it: 429'),
      wait: timer('zero').prefault('10s').describe('Waited too long: 503'),
    })
    .prefault({}),
});

const failover = z.strictObject({
  to: z
    .array(z.enum(['replicas', 'any']))
    .min(1, { error: 'must be a list of replicas, any or both' })
    .default(['replicas', 'any'])
    .describe('Where the sessions of a dead backend go, in this order'),
  onLost: z.enum(['move', 'reject']).default('move').describe('reject: 503, and the session ends'),
  failback: z.enum(['never', 'when-idle', 'immediate']).default('never').describe('When a moved session goes back'),
  restarted: z
    .enum(['move', 'stay'])
    .default('move')
    .describe(
      'Sessions of a backend whose process was restarted: move to a replica that has their state; stay: it keeps them on disk',
    ),
  resume: flag()
    .default(false)
    .describe('true: continue a broken GET response on another backend (Range and If-Range; it needs a strong ETag)'),
});

const retry = z.strictObject({
  attempts: integer(0, 10).default(2).describe('Tries after the first one, each at a backend not tried yet'),
  statuses: z.array(integer(400, 599)).default([]).describe('Also retry on these statuses, idempotent methods only'),
  idempotencyKey: flag().default(false).describe('true: a request with Idempotency-Key counts as idempotent'),
  bodyBuffer: size(0, 2 ** 30)
    .prefault('64KiB')
    .describe('A body up to this size is kept for a retry'),
  budget: percentage().prefault('20%').describe('Retries at most this share of the requests in flight, and at least 3'),
});

const timeouts = z.strictObject({
  connect: timer().prefault('2s').describe('To an open connection'),
  response: timer()
    .prefault('60s')
    .describe('To the response headers: 504. Each 1xx response begins it anew, up to 20 times as long in all'),
  idle: timer('zero').prefault('60s').describe('Between two reads of a response body; 0: no limit'),
  tunnel: timer('zero')
    .prefault('1h')
    .describe(
      'No byte in either direction of a WebSocket or other upgrade; no byte of a request body of unknown length whose response has begun; 0: no limit',
    ),
  tcpKeepAlive: timer('zero')
    .prefault('60s')
    .describe('TCP asks whether the backend still is there after so long without a byte, in whole seconds; 0: never'),
  queue: timer('zero')
    .prefault('5s')
    .describe('Waiting for a backend below maxRequests, or in a burst for a turn to connect: 503'),
});

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
const HOST_AND_PORT = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
/** RFC 9110 section 5.5, without obs-text. */
const FIELD_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;
/** Framing and connection are limpet's own (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2), and the host has a key of its own. */
const OWN_FIELDS = new Set(
  'connection content-length expect host http2-settings keep-alive proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);

function probeHeader() {
  return headerName().refine((name) => !OWN_FIELDS.has(name.toLowerCase()), {
    error:
      "is no header that a probe can have: framing and connection are limpet's own, and the host is health.active.host",
  });
}

const active = z.strictObject({
  path: text('must be a path that begins with /', /^\/[\x21-\x7e]*$/)
    .default('/healthz')
    .describe('Path of the probe'),
  method: methodSchema.default('GET').describe('Method of the probe'),
  expect: statusRanges().prefault('200-399').describe('Statuses of a healthy backend'),
  interval: timer().prefault('2s').describe('Time between two probes'),
  timeout: timer().prefault('1s').describe('A probe without an answer for so long has failed; at most the interval'),
  rise: integer(1, 1000).default(2).describe('Good probes in a row until a backend is up'),
  fall: integer(1, 1000).default(3).describe('Failed probes in a row until a backend is down'),
  port: integer(1, 65_535).nullable().default(null).describe("Port of the probe; null: the backend's"),
  host: text('must be a host, with a port or without, such as shop.example', HOST_AND_PORT)
    .nullable()
    .default(null)
    .describe("Host that the probe asks for, such as one that the application allows; null: the backend's address"),
  headers: z
    .record(probeHeader(), text('must be the text of the header: put it in quotes', FIELD_VALUE))
    .default({})
    .describe('More header fields of the probe, by name'),
  type: z.enum(['http', 'tcp']).default('http').describe('tcp: a connection that opens is enough'),
});

const passive = z.strictObject({
  failures: integer(1, 1_000_000)
    .default(5)
    .describe(
      'Failures within the window until a backend is ejected; those that a request can provoke count once for each session, or address without one',
    ),
  window: timer().prefault('10s').describe('Time in which failures are counted'),
  eject: timer().prefault('30s').describe('Time until an ejected backend is tried again'),
  maxEjected: percentage().prefault('50%').describe('Most of a pool that is ejected at once; never the last backend'),
});

const health = z.strictObject({
  active: active.nullable().default(null).describe('Probes; null: none'),
  passive: passive.nullable().prefault({}).describe('What traffic says; null: not looked at'),
  slowStart: timer('zero').prefault('0s').describe('Time in which a recovered backend comes to its full weight'),
  lifeline: z
    .enum(['auto', 'silent', 'off'])
    .default('auto')
    .describe(
      'Connection whose end tells of a restart: auto: that of the last probe; silent: also one that sends nothing',
    ),
  whenAllDown: z.enum(['reject', 'try']).default('reject').describe('reject: 503; try: use all'),
});

const rateLimit = z.strictObject({
  per: z
    .enum(['session', 'ip'])
    .describe(
      'session: the requests of one session count together, those without one by their client address; ip: those of one client address',
    ),
  rate: rate().describe('Such as 50/s, 600/m or 1000/h; over it: 429 with Retry-After'),
  burst: integer(1, 1_000_000)
    .nullable()
    .default(null)
    .describe('Requests that may come at once after a pause; null: as many as the number of the rate'),
});

const tls = z.strictObject({
  ca: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe("Certificates that a backend's must be signed by; null: those that Node trusts"),
  verify: flag().default(true).describe('false: any certificate will do, so that anybody in between can read along'),
  serverName: text('must be a host name such as app.internal', HOST_NAME)
    .nullable()
    .default(null)
    .describe('Name that is asked for (SNI) and that the certificate must have; null: the host of the url'),
  cert: text('must be the path of a PEM file').nullable().default(null).describe('Certificate that limpet shows'),
  key: text('must be the path of a PEM file').nullable().default(null).describe('Its private key'),
});

/** A named group of backends that serve the same application. */
export const poolSchema = z.strictObject({
  backends: z.array(backendSchema).default([]).describe('The servers of this pool'),
  discovery: discovery.nullable().default(null).describe('Servers found by name, instead of or next to backends'),
  balance: z
    .enum(['round-robin', 'least-requests', 'two-choices', 'random', 'hash', 'least-time'])
    .default('least-requests')
    .describe('How the backend of a new session is chosen'),
  affinity: z
    .array(affinitySchema)
    .prefault([{ by: 'cookie' }])
    .describe('Tried in order, the first that finds a key wins; an empty list: no stickiness in this pool'),
  session: session.prefault({}),
  failover: failover.prefault({}),
  retry: retry.prefault({}),
  timeouts: timeouts.prefault({}),
  health: health.prefault({}),
  rateLimit: rateLimit.nullable().default(null).describe('null: no limit'),
  tls: tls.prefault({}).describe('For https:// backends'),
  http2: flag().default(false).describe('true: HTTP/2 to the backends'),
  sendProxyProtocol: z.enum(['off', 'v1', 'v2']).default('off').describe('PROXY protocol to the backends'),
});
