/** An address that limpet accepts connections on, and the routes that its requests take. */
import * as z from 'zod';
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
      z.strictObject({
        cert: text('must be the path of a PEM file')
          .describe('PEM file with the certificate and those between it and its root.')
          .meta({ examples: ['/etc/limpet/shop.pem'] }),
        key: text('must be the path of a PEM file')
          .describe('PEM file with its private key.')
          .meta({ examples: ['/etc/limpet/shop.key'] }),
      }),
    )
    .min(1, { error: 'must name at least one certificate' })
    .describe('Certificates, chosen by the name that the client asks for (SNI); the first one is the default.'),
  alpn: z
    .array(z.enum(['h2', 'http/1.1']))
    .default(['h2', 'http/1.1'])
    .describe('Protocols that are offered to clients, the preferred one first.'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Oldest version of TLS that is accepted.'),
  clientCa: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe(
      'PEM file with the certificates that sign those of clients: only clients with one of these get in; null: no client certificate is asked for.',
    )
    .meta({ examples: ['/etc/limpet/clients.pem'] }),
});

const limits = z.strictObject({
  headerBytes: size(256, 2 ** 20)
    .prefault('16KiB')
    .describe('Largest header of a request; above it 431, or 414 when the request line alone is longer.'),
  headers: integer(1, 10_000).default(100).describe('Most header lines of a request; above it 431.'),
  connections: integer(1, 10_000_000)
    .default(20_000)
    .describe('Most connections at once; above it no connection is accepted until one ends.'),
  connectionsPerIp: integer(0, 10_000_000)
    .default(0)
    .describe('Most connections of one client address at once; 0: no limit.'),
  halfClose: z
    .enum(['allow', 'abort'])
    .default('allow')
    .describe(
      'What it means when a client ends its side (FIN) while its request waits or is answered. allow: it still gets its answer; abort: it has left, and its request is given up.',
    ),
});

const timeouts = z.strictObject({
  header: timer()
    .prefault('10s')
    .describe('Longest time from the first byte of a request to the end of its header; then 408.'),
  body: timer()
    .prefault('30s')
    .describe(
      'Longest pause within a request body; then 408. A body of unknown length whose response has begun has timeouts.tunnel of its pool instead.',
    ),
  bodyRate: byteRate()
    .prefault('100B/s')
    .describe(
      'Least rate of a request body, over any 30 s in which limpet waits for the client, until the response begins; below it 408. 0: no limit.',
    ),
  readRate: byteRate()
    .prefault(0)
    .describe(
      'Least rate at which a client reads a response, over any 30 s in which limpet waits for it; below it the connection ends. 0: no limit.',
    ),
  keepAlive: timer().prefault('60s').describe('Longest pause between two requests of a connection; then it is closed.'),
  tcpKeepAlive: timer('zero')
    .prefault('60s')
    .describe('Silence after which TCP asks whether the client is still there, in whole seconds; 0: never.'),
});

/** An address that limpet accepts connections on. */
export const listenerSchema = z.strictObject({
  bind: text('must be host:port or [::]:port, such as 0.0.0.0:8080')
    .describe('Address to listen on: host:port, [::]:port or unix:/path.')
    .meta({ examples: ['0.0.0.0:8080', '[::]:443', 'unix:/run/limpet.sock'] }),
  proxyProtocol: z
    .enum(['off', 'v1', 'v2', 'any'])
    .default('off')
    .describe(
      'Version of the PROXY protocol that every connection must begin with; it is believed from trustedProxies only.',
    ),
  h2c: flag()
    .default(false)
    .describe('Whether clients may speak HTTP/2 with prior knowledge on this listener without TLS.'),
  tls: tls.nullable().default(null).describe('TLS; null: plain HTTP.'),
  limits: limits.prefault({}).describe('Limits of connections and requests.'),
  timeouts: timeouts.prefault({}).describe("Time limits on the client's side."),
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
    .describe('Host of the request, exact or with the prefix "*."; null: any.')
    .meta({ examples: ['shop.example', '*.shop.example'] }),
  path: pathPattern()
    .nullable()
    .default(null)
    .describe(
      'Path of the request: a prefix that ends at a border of segments, "= /x" for exactly this one, or "~ ^/v[0-9]+/" for a regular expression; null: any.',
    )
    .meta({ examples: ['/api/', '= /login', '~ ^/v[0-9]+/'] }),
  methods: z
    .array(methodSchema)
    .default([])
    .describe('Methods, of which the request has one; empty: every method.')
    .meta({ examples: [['GET', 'POST']] }),
  headers: z
    .record(headerName(), z.string({ error: 'must be the text of the header: put it in quotes' }))
    .default({})
    .describe('Headers that the request has, with exactly these values.')
    .meta({ examples: [{ 'X-Version': '2' }] }),
});

/** A match on host, path, method or header that names a pool. */
export const routeSchema = z.strictObject({
  match: match
    .prefault({})
    .describe('What the request has to be like: everything that is given has to match; empty: every request.'),
  pool: text('must be the name of a pool')
    .describe('Name of the pool that the request goes to.')
    .meta({ examples: ['shop'] }),
  sticky: flag()
    .default(true)
    .describe('Whether requests of this route belong to sessions; false: it neither reads nor writes any.'),
  csrf: z
    .enum(['off', 'reject-cross-site'])
    .default('off')
    .describe(
      'reject-cross-site: what pages of other origins make a browser send gets 403, but for GET, HEAD, OPTIONS and TRACE.',
    ),
  allowOrigins: z
    .array(text('must be an origin such as https://shop.example'))
    .default([])
    .describe('Origins that csrf lets through: scheme, host, and the port where it is not the default one.')
    .meta({ examples: [['https://partner.example']] }),
});
