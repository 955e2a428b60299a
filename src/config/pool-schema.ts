/** A named group of backends that serve the same application, and how its sessions are kept. */
import * as z from 'zod';
import { CONNECTION_FIELDS } from '../http1/connection-fields.ts';
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
  id: nameSchema
    .describe('Name of the backend, unique in its pool; sessions are bound to this name, not to the address.')
    .meta({ examples: ['a'] }),
  url: text('must be http://host:port, https://host:port or unix:/path')
    .describe('Address of the backend: http://host:port, https://host:port or unix:/path.')
    .meta({ examples: ['http://10.0.0.1:3000', 'https://app.internal:8443', 'unix:/run/app.sock'] }),
  weight: integer(0, 65_535)
    .default(1)
    .describe('Share of new sessions, in relation to the other backends; 0: no new sessions.'),
  replicas: z
    .array(text('must be the id of another backend of this pool'))
    .default([])
    .describe('Ids of backends that hold a copy of its session state, the first choice first.')
    .meta({ examples: [['b', 'c']] }),
  maxRequests: integer(0, 1_000_000)
    .default(0)
    .describe('Most requests in flight at once; further ones wait, first come first served. 0: no limit.'),
  state: z
    .enum(['ready', 'drain', 'maintenance'])
    .default('ready')
    .describe('State at the start. drain: no new sessions; maintenance: its sessions move away as well.'),
  backup: flag().default(false).describe('Whether it gets new sessions only when no other backend is available.'),
});

/**
 * Labels of letters, digits, `-` and `_` (which service names have, RFC 2782), at most 253 characters, with or without
 * the last dot.
 */
const HOST_NAME =
  /^(?=.{1,253}\.?$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/;

/** Backends that the DNS knows, looked up again and again. */
export const dnsDiscoverySchema = z.strictObject({
  name: text('must be a host name such as shop.internal or _http._tcp.shop.internal', HOST_NAME)
    .describe('Name that is looked up; each address, or each SRV record, is a backend.')
    .meta({ examples: ['shop.internal', '_http._tcp.shop.internal'] }),
  type: z
    .enum(['A', 'AAAA', 'SRV'])
    .default('A')
    .describe(
      'Kind of the records. A: IPv4 addresses; AAAA: IPv6 addresses; SRV: targets with their ports, weights and priorities.',
    ),
  port: integer(1, 65_535)
    .nullable()
    .default(null)
    .describe('Port of the backends: required for A and AAAA, left out for SRV, whose records name it.')
    .meta({ examples: [8080] }),
  refresh: timer().prefault('10s').describe('Time from one look-up to the next, give or take a tenth.'),
  servers: z
    .array(text('must be the address of a DNS server, such as 10.0.0.2:53'))
    .default([])
    .describe(
      "DNS servers that are asked, and no others; empty: those of the system, with the system's hosts file and search domains.",
    )
    .meta({ examples: [['10.0.0.2:53', '[fd00::2]:53']] }),
});

const discovery = z.strictObject({ dns: dnsDiscoverySchema.describe('Backends that the DNS knows.') });

/** A request after which something happens to its session. */
const trigger = z.strictObject({
  path: pathPattern()
    .describe('Path of the request, written as in a route.')
    .meta({ examples: ['/login', '= /logout'] }),
  methods: z
    .array(methodSchema)
    .default([])
    .describe('Methods, of which the request has one; empty: every method.')
    .meta({ examples: [['POST']] }),
  status: z
    .array(integer(100, 599))
    .default([])
    .describe('Statuses, of which the response has one; empty: every status.')
    .meta({ examples: [[200, 302]] }),
});

const session = z.strictObject({
  idle: duration().prefault('30m').describe('Time without a request after which the session is over.'),
  lifetime: duration()
    .prefault('12h')
    .describe('Time since its begin after which the session is over, whatever comes; never extended.'),
  bindTo: z
    .array(z.enum(['ip', 'user-agent', 'tls']))
    .default([])
    .describe(
      'What a session is bound to: a request that comes from another address (ip), user agent or client certificate (tls) is a mismatch.',
    )
    .meta({ examples: [['ip', 'user-agent']] }),
  onBindingMismatch: z
    .enum(['observe', 'renew', 'reject'])
    .default('observe')
    .describe(
      'What happens on a mismatch. observe: it is logged and the session goes on; renew: the request gets a fresh session; reject: it gets 403.',
    ),
  perUser: z
    .strictObject({
      claim: text('must be the name of a claim').default('sub').describe('Claim of the token that names the user.'),
      header: headerName()
        .nullable()
        .default(null)
        .describe('Request header that names the user, from trusted proxies; null: none.')
        .meta({ examples: ['X-User'] }),
      max: integer(0, 1_000_000).default(0).describe('Most sessions of one user at once; 0: no limit.'),
      whenFull: z
        .enum(['end-oldest', 'refuse'])
        .default('end-oldest')
        .describe(
          'What happens when a user has that many. end-oldest: the session seen least recently ends; refuse: the new one gets 429.',
        ),
    })
    .prefault({})
    .describe('Whose session it is, and how many sessions a user may have.'),
  rotateOn: z
    .array(trigger)
    .default([])
    .describe('Requests after whose response the session gets a new id, on the same backend: a log-in, say.'),
  endOn: z.array(trigger).default([]).describe('Requests after whose response the session ends: a log-out, say.'),
  dialog: z
    .enum(['full-duplex', 'half-duplex', 'simplex'])
    .default('full-duplex')
    .describe(
      'How requests of one session may overlap. full-duplex: freely; half-duplex: one at a time, in order; simplex: only GET and HEAD are allowed.',
    ),
  dialogQueue: z
    .strictObject({
      max: integer(0, 100_000)
        .default(32)
        .describe('Most requests of a session that wait for their turn; above it 429.'),
      wait: timer('zero').prefault('10s').describe('Longest time that a request waits for its turn; then 503.'),
    })
    .prefault({})
    .describe('The queue of half-duplex.'),
});

const failover = z.strictObject({
  to: z
    .array(z.enum(['replicas', 'any']))
    .min(1, { error: 'must be a list of replicas, any or both' })
    .default(['replicas', 'any'])
    .describe('Where the sessions of a dead backend go, in this order: to its replicas, to any backend.'),
  onLost: z
    .enum(['move', 'reject'])
    .default('move')
    .describe(
      'What happens when no replica is left. move: the session goes to any backend, without its state; reject: 503, and it ends.',
    ),
  failback: z
    .enum(['never', 'when-idle', 'immediate'])
    .default('never')
    .describe(
      'When a session that had to move goes back. never; when-idle: with the first request after 30 s without one; immediate: with the next request.',
    ),
  restarted: z
    .enum(['move', 'stay'])
    .default('move')
    .describe(
      'What happens with the sessions of a backend whose process was restarted. move: they go to a replica that has their state; stay: they stay, because the backend keeps them on disk.',
    ),
  resume: flag()
    .default(false)
    .describe(
      'Whether the response to a GET that breaks off is continued from another backend, by Range and If-Range; it needs a strong ETag.',
    ),
});

const retry = z.strictObject({
  attempts: integer(0, 10).default(2).describe('Tries after the first one, each at a backend that was not tried yet.'),
  statuses: z
    .array(integer(400, 599))
    .default([])
    .describe('Statuses of responses after which a request with an idempotent method is tried elsewhere as well.')
    .meta({ examples: [[502, 503]] }),
  idempotencyKey: flag()
    .default(false)
    .describe('Whether a request with Idempotency-Key counts as idempotent, whatever its method.'),
  bodyBuffer: size(0, 2 ** 30)
    .prefault('64KiB')
    .describe('Largest request body that is kept for a retry.'),
  budget: percentage()
    .prefault('20%')
    .describe('Most retries at once, as a share of the requests in flight, and at least 3.'),
});

const timeouts = z.strictObject({
  connect: timer().prefault('2s').describe('Longest time until a connection to a backend is open.'),
  response: timer()
    .prefault('60s')
    .describe(
      'Longest time until the header of the response; then 504. Each 1xx response starts the time again, up to 20 times as long in all.',
    ),
  idle: timer('zero').prefault('60s').describe('Longest pause within a response body; 0: no limit.'),
  tunnel: timer('zero')
    .prefault('1h')
    .describe(
      'Longest time without a byte in either direction of a WebSocket or another upgrade, or of a request body of unknown length whose response has begun; 0: no limit.',
    ),
  tcpKeepAlive: timer('zero')
    .prefault('60s')
    .describe('Silence after which TCP asks whether the backend is still there, in whole seconds; 0: never.'),
  queue: timer('zero')
    .prefault('5s')
    .describe(
      'Longest time that a request waits for a backend that has maxRequests requests already, or in a burst for a connection; then 503.',
    ),
});

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
const HOST_AND_PORT = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
/** RFC 9110 section 5.5, without obs-text. */
const FIELD_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;
/**
 * Framing and connection are limpet's own (RFC 9110 section 7.6.1, RFC 9113 section 8.2.2), and the host has a key of
 * its own.
 */
const OWN_FIELDS = new Set([...CONNECTION_FIELDS, 'content-length', 'expect', 'host', 'trailer']);

function probeHeader() {
  return headerName().refine((name) => !OWN_FIELDS.has(name.toLowerCase()), {
    error:
      "is no header that a probe can have: framing and connection are limpet's own, and the host is health.active.host",
  });
}

const active = z.strictObject({
  path: text('must be a path that begins with /', /^\/[\x21-\x7e]*$/)
    .default('/healthz')
    .describe('Path of the probe.'),
  method: methodSchema.default('GET').describe('Method of the probe.'),
  expect: statusRanges()
    .prefault('200-399')
    .describe('Statuses that a healthy backend answers with.')
    .meta({ examples: ['200', '200, 301-302'] }),
  interval: timer().prefault('2s').describe('Time from one probe to the next.'),
  timeout: timer()
    .prefault('1s')
    .describe('Time after which a probe without an answer has failed; at most the interval.'),
  rise: integer(1, 1000).default(2).describe('Good probes in a row until a backend is up.'),
  fall: integer(1, 1000).default(3).describe('Failed probes in a row until a backend is down.'),
  port: integer(1, 65_535)
    .nullable()
    .default(null)
    .describe("Port of the probe; null: that of the backend's url.")
    .meta({ examples: [9000] }),
  host: text('must be a host, with a port or without, such as shop.example', HOST_AND_PORT)
    .nullable()
    .default(null)
    .describe("Host that the probe asks for, for applications that look at it; null: the backend's address.")
    .meta({ examples: ['shop.example'] }),
  headers: z
    .record(probeHeader(), text('must be the text of the header: put it in quotes', FIELD_VALUE))
    .default({})
    .describe('More header fields of the probe, by name.')
    .meta({ examples: [{ 'X-Probe': 'limpet' }] }),
  type: z
    .enum(['http', 'tcp'])
    .default('http')
    .describe('http: a request that is answered as expected; tcp: a connection that opens.'),
});

const passive = z.strictObject({
  failures: integer(1, 1_000_000)
    .default(5)
    .describe(
      'Failures within the window until a backend is ejected; those that a request can provoke count once for each session, without one for each address.',
    ),
  window: timer().prefault('10s').describe('Time in which failures are counted.'),
  eject: timer().prefault('30s').describe('Time until an ejected backend is tried again.'),
  maxEjected: percentage().prefault('50%').describe('Most of a pool that is ejected at once; never the last backend.'),
});

const health = z.strictObject({
  active: active.nullable().default(null).describe('Probes that limpet sends; null: none.'),
  passive: passive.nullable().prefault({}).describe('What traffic says of a backend; null: it is not looked at.'),
  slowStart: timer('zero')
    .prefault('0s')
    .describe('Time in which a backend that has recovered comes to its full share of new sessions.'),
  lifeline: z
    .enum(['auto', 'silent', 'off'])
    .default('auto')
    .describe(
      'Connection whose end tells of a restart. auto: that of the last probe, kept open; silent: also one on which nothing was sent; off: none.',
    ),
  whenAllDown: z
    .enum(['reject', 'try'])
    .default('reject')
    .describe('What happens when all backends are down. reject: 503 at once; try: all of them are tried.'),
});

const rateLimit = z.strictObject({
  per: z
    .enum(['session', 'ip'])
    .describe(
      'What is counted together. session: the requests of one session, without one those of a client address; ip: those of a client address.',
    ),
  rate: rate()
    .describe('Requests in a second, minute or hour; above it 429 with Retry-After.')
    .meta({ examples: ['50/s', '600/m', '1000/h'] }),
  burst: integer(1, 1_000_000)
    .nullable()
    .default(null)
    .describe('Requests that may come at once after a pause; null: as many as the number of the rate.')
    .meta({ examples: [100] }),
});

const tls = z.strictObject({
  ca: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe('PEM file with the certificates that sign those of the backends; null: those that Node trusts.')
    .meta({ examples: ['/etc/limpet/internal.pem'] }),
  verify: flag()
    .default(true)
    .describe(
      'Whether certificates of backends are verified; false: any will do, so that anybody in between can read along.',
    ),
  serverName: text('must be a host name such as app.internal', HOST_NAME)
    .nullable()
    .default(null)
    .describe('Name that is asked for (SNI) and that the certificate must have; null: the host of the url.')
    .meta({ examples: ['app.internal'] }),
  cert: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe('PEM file with the certificate that limpet shows to backends; null: none.')
    .meta({ examples: ['/etc/limpet/limpet.pem'] }),
  key: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe('PEM file with the private key of that certificate.')
    .meta({ examples: ['/etc/limpet/limpet.key'] }),
});

/** A named group of backends that serve the same application. */
export const poolSchema = z.strictObject({
  backends: z.array(backendSchema).default([]).describe('Servers of this pool.'),
  discovery: discovery
    .nullable()
    .default(null)
    .describe('Servers that are found by name, instead of backends or next to them; null: none.'),
  balance: z
    .enum(['round-robin', 'least-requests', 'two-choices', 'random', 'hash', 'least-time'])
    .default('least-requests')
    .describe('How the backend of a new session is chosen.'),
  affinity: z
    .array(affinitySchema)
    .prefault([{ by: 'cookie' }])
    .describe(
      'Where the key of a session is found: sources are tried in order, and the first whose key is known decides; empty: this pool has no sessions.',
    ),
  session: session.prefault({}).describe('The life of a session.'),
  failover: failover.prefault({}).describe('What happens with the sessions of a backend that dies.'),
  retry: retry.prefault({}).describe('When a request that failed is tried at another backend.'),
  timeouts: timeouts.prefault({}).describe("Time limits on the backends' side."),
  health: health.prefault({}).describe('How limpet finds out which backends work.'),
  rateLimit: rateLimit.nullable().default(null).describe('How many requests a client may send; null: no limit.'),
  tls: tls.prefault({}).describe('TLS to https:// backends.'),
  http2: flag().default(false).describe('Whether limpet speaks HTTP/2 to the backends, as gRPC needs.'),
  sendProxyProtocol: z
    .enum(['off', 'v1', 'v2'])
    .default('off')
    .describe('Version of the PROXY protocol that connections to the backends begin with.'),
});
