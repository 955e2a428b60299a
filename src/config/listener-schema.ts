/** An address that limpet accepts connections on, and the routes that its requests take. */
import { z } from 'zod';
import { headerName } from './affinity-schema.ts';
import { byteRate, flag, integer, size, text, timer } from './scalars.ts';

/** An HTTP method as RFC 9110 section 9.1 has it: a token, compared with regard to case. */
export const methodSchema = text(
  'must be a method in capital letters, such as GET or POST',
  /^[!#$%&'*+.^_`|~0-9A-Z-]+$/,
);

const tls = z.strictObject({
  certificates: z
    .array(
      z.strictObject({ cert: text('must be the path of a PEM file'), key: text('must be the path of a PEM file') }),
    )
    .min(1, { error: 'must name at least one certificate' })
    .describe('Chosen by SNI, the first one is the default'),
  alpn: z
    .array(z.enum(['h2', 'http/1.1']))
    .default(['h2', 'http/1.1'])
    .describe('Protocols offered, the preferred one first'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Oldest version of TLS accepted'),
  clientCa: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe('Ask for and verify client certificates'),
});

const limits = z.strictObject({
  headerBytes: size(256, 2 ** 20)
    .prefault('16KiB')
    .describe('Largest header block of a request; over it: 431'),
  headers: integer(1, 10_000).default(100).describe('Most header lines of a request; over it: 431'),
  connections: integer(1, 10_000_000)
    .default(20_000)
    .describe('Most connections at once; over it, accepting stops until one ends'),
  connectionsPerIp: integer(0, 10_000_000)
    .default(0)
    .describe('Most connections of one client address at once; 0: no limit'),
  halfClose: z
    .enum(['allow', 'abort'])
    .default('allow')
    .describe(
      'A client that ends its side (FIN) while its request waits or is answered. allow: it still gets its answer; abort: it has left, and so has the request',
    ),
});

const timeouts = z.strictObject({
  header: timer().prefault('10s').describe('From the first byte of a request to the end of its header block: 408'),
  body: timer()
    .prefault('30s')
    .describe(
      'Between two reads of a request body: 408. One of unknown length whose response has begun has timeouts.tunnel of its pool',
    ),
  bodyRate: byteRate()
    .prefault('100B/s')
    .describe(
      'Least rate of a request body over any 30 s in which the client is waited for, until its response begins: 408; 0: no limit',
    ),
  readRate: byteRate()
    .prefault(0)
    .describe('Least rate at which a client takes a response over any 30 s in which it is waited for; 0: no limit'),
  keepAlive: timer().prefault('60s').describe('Idle between two requests'),
  tcpKeepAlive: timer('zero')
    .prefault('60s')
    .describe('TCP asks whether the client still is there after so long without a byte, in whole seconds; 0: never'),
});

/** An address that limpet accepts connections on. */
export const listenerSchema = z.strictObject({
  bind: text('must be host:port or [::]:port, such as 0.0.0.0:8080').describe('host:port, [::]:port or unix:/path'),
  proxyProtocol: z
    .enum(['off', 'v1', 'v2', 'any'])
    .default('off')
    .describe('PROXY protocol, required on every connection, from trustedProxies only'),
  h2c: flag().default(false).describe('true: HTTP/2 with prior knowledge on a plain listener'),
  tls: tls.nullable().default(null).describe('null: plain HTTP'),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
});

/** A path that requests are matched with; `checkPathPattern` looks at the regular expression. */
export const pathPattern = () =>
  text(
    'must begin with / (prefix on segment borders), "= /" (exact) or "~ " (regular expression)',
    /^(?:= )?\/[^\s?#]*$|^~ ./,
  );

const match = z.strictObject({
  host: text(
    'must be a host name without a port, exact or with the prefix "*.", such as shop.example or "*.shop.example"',
    /^(?:\*\.)?[A-Za-z0-9._-]+$|^\[[0-9A-Fa-f:.]+\]$/,
  )
    .toLowerCase()
    .nullable()
    .default(null)
    .describe('Exact, or with the prefix "*."; null: any'),
  path: pathPattern()
    .nullable()
    .default(null)
    .describe('Prefix on segment borders; "= /x" exact; "~ ^/v[0-9]+/" regular expression; null: any'),
  methods: z.array(methodSchema).default([]).describe('Any of these methods; empty: every method'),
  headers: z
    .record(headerName(), z.string({ error: 'must be the text of the header: put it in quotes' }))
    .default({})
    .describe('All of these headers, with exactly these values'),
});

/** A match on host, path, method or header that names a pool. */
export const routeSchema = z.strictObject({
  match: match.prefault({}).describe('Everything that is given has to match; empty: every request'),
  pool: text('must be the name of a pool').describe('Name of the pool'),
  sticky: flag().default(true).describe('false: this route neither reads nor writes sessions'),
  csrf: z
    .enum(['off', 'reject-cross-site'])
    .default('off')
    .describe('reject-cross-site: unsafe methods from a foreign origin get 403'),
  allowOrigins: z
    .array(text('must be an origin such as https://shop.example'))
    .default([])
    .describe('Origins that csrf lets through: scheme, host, and the port where it is not the default one'),
});
