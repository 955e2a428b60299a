/** Where a session's key is found in a request: one schema for each value of `by`. */
import * as z from 'zod';
import { duration, flag, integer, text } from './scalars.ts';

/** A token of RFC 9110 section 5.6.2: names of headers, of cookies (RFC 6265 section 4.1.1) and methods. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A header name, in lower case once resolved: names are compared without regard to case (RFC 9110 section 5.1). */
export function headerName() {
  return text("must be a header name: letters, digits and any of !#$%&'*+-.^_`|~", TOKEN).toLowerCase();
}

/** A cookie name, kept as written: cookie names are case-sensitive. */
function cookieName() {
  return text("must be a cookie name: letters, digits and any of !#$%&'*+-.^_`|~ (RFC 6265)", TOKEN);
}

/** Algorithms that check a signature with a shared secret. */
export const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;
/** Algorithms that check a signature with a public key. */
export const PUBLIC_KEY_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

const oneOrMore = (what: string) =>
  z.codec(
    z.union([text(what), z.array(text(what)).min(1)], { error: `${what}, or a list of them` }),
    z.array(z.string()),
    {
      decode: (value) => (typeof value === 'string' ? [value] : value),
      encode: (value) => value,
    },
  );

const verifyShape = {
  secret: text('must be the secret that signs the tokens')
    .nullable()
    .default(null)
    .describe('Shared secret of HS256, HS384 or HS512.'),
  publicKeyFile: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe('PEM file with the public key or certificate that verifies tokens.')
    .meta({ examples: ['/etc/limpet/issuer.pem'] }),
  jwksUrl: z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address of a JSON Web Key Set' })
    .nullable()
    .default(null)
    .describe(
      'Address of a JSON Web Key Set: fetched when it is first needed, every 10 minutes, and when a token names an unknown key.',
    )
    .meta({ examples: ['https://login.example/.well-known/jwks.json'] }),
  issuer: oneOrMore('must be the text of the iss claim')
    .nullable()
    .default(null)
    .describe('Claims iss that are accepted; null: any.')
    .meta({ examples: ['https://login.example/'] }),
  audience: oneOrMore('must be the text of the aud claim')
    .nullable()
    .default(null)
    .describe('Claims aud that are accepted; null: any.')
    .meta({ examples: [['shop', 'api']] }),
  onInvalid: z
    .enum(['ignore', 'reject'])
    .default('ignore')
    .describe('What happens with a token that does not verify. ignore: it is no key; reject: the request gets 401.'),
};
const algorithms = z
  .array(z.enum([...SECRET_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS]))
  .min(1, { error: 'must name at least one algorithm' });

/** `verify` as it is written. */
export const verifyWrittenSchema = z.strictObject({
  ...verifyShape,
  algorithms: algorithms
    .optional()
    .describe('Signature algorithms that are accepted; left out: all that fit the kind of key. Never none.')
    .meta({ examples: [['RS256']] }),
});

/**
 * How a token is checked before its claim is believed. `algorithms` defaults to those that fit the kind of key, never
 * `none`.
 */
const verifySchema = z.codec(
  verifyWrittenSchema,
  z.strictObject({
    secret: z.string().nullable(),
    publicKeyFile: z.string().nullable(),
    jwksUrl: z.string().nullable(),
    issuer: z.array(z.string()).nullable(),
    audience: z.array(z.string()).nullable(),
    onInvalid: z.enum(['ignore', 'reject']),
    algorithms,
  }),
  {
    decode: (verify) => ({
      ...verify,
      algorithms: verify.algorithms ?? [...(verify.secret === null ? PUBLIC_KEY_ALGORITHMS : SECRET_ALGORITHMS)],
    }),
    encode: (verify) => verify,
  },
);

const tokenSource = z.union(
  [
    z.literal('authorization'),
    z.templateLiteral(['cookie ', z.string().regex(TOKEN)]),
    z.templateLiteral(['header ', z.string().regex(TOKEN)]),
  ],
  { error: 'must be authorization, "cookie NAME" or "header NAME"' },
);

const token = z.strictObject({
  by: z.literal('token').describe('The key is a token, or one of its claims.'),
  from: tokenSource
    .default('authorization')
    .describe('Where the token is: authorization, "cookie NAME" or "header NAME".')
    .meta({ examples: ['cookie session', 'header X-Token'] }),
  claim: text('must be the name of a claim')
    .nullable()
    .default(null)
    .describe('Claim that is the key, so that a renewed token finds the same session; null: the whole token.')
    .meta({ examples: ['sub', 'sid'] }),
  verify: verifySchema
    .nullable()
    .default(null)
    .describe(
      'How the token is checked before it is believed: exactly one of secret, publicKeyFile and jwksUrl; null: not at all.',
    ),
});

const appCookie = z.strictObject({
  by: z
    .literal('app-cookie')
    .describe('The key is a cookie of the application, learned from Set-Cookie of a successful response.'),
  name: cookieName()
    .describe('Name of the cookie.')
    .meta({ examples: ['JSESSIONID'] }),
});

const header = z.strictObject({
  by: z.literal('header').describe('The key is the value of a request header.'),
  name: headerName()
    .describe('Name of the header.')
    .meta({ examples: ['X-Session-Id'] }),
  learn: flag().default(false).describe('Whether the key is also learned from a response that has this header.'),
});

const query = z.strictObject({
  by: z.literal('query').describe('The key is the value of a query parameter.'),
  name: text('must be the name of a query parameter')
    .describe('Name of the parameter.')
    .meta({ examples: ['sid'] }),
});

const cookie = z.strictObject({
  by: z.literal('cookie').describe('The key is a cookie that limpet issues when no other source has found a key.'),
  name: cookieName().default('limpet').describe('Name of the cookie; each pool on one host needs its own.'),
  path: text('must be a cookie path: it begins with / and holds no ; or control character', /^\/[^;\x00-\x1f\x7f]*$/)
    .default('/')
    .describe('Attribute Path: where the browser sends the cookie to.'),
  domain: text('must be a domain such as shop.example', /^\.?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/)
    .toLowerCase()
    .overwrite((domain) => domain.replace(/^\./, ''))
    .nullable()
    .default(null)
    .describe('Attribute Domain; null: the host of the request only.')
    .meta({ examples: ['shop.example'] }),
  sameSite: z.enum(['lax', 'strict', 'none']).default('lax').describe('Attribute SameSite.'),
  secure: z
    .union([z.literal('auto'), z.boolean()], { error: 'must be auto, true or false' })
    .default('auto')
    .describe("Attribute Secure; auto: when the client's side is TLS, also in front of a trusted proxy."),
  httpOnly: flag().default(true).describe('Attribute HttpOnly: scripts of the page cannot read the cookie.'),
  partitioned: flag().default(false).describe('Attribute Partitioned (CHIPS), for pages that others embed.'),
  maxAge: duration()
    .nullable()
    .default(null)
    .describe('Attribute Max-Age; null: the cookie lasts until the browser ends.')
    .meta({ examples: ['7d'] }),
});

const ip = z.strictObject({
  by: z.literal('ip').describe("The key is the client's address."),
  prefix4: integer(0, 32).default(32).describe('Number of bits of an IPv4 address that count.'),
  prefix6: integer(0, 128).default(64).describe('Number of bits of an IPv6 address that count.'),
});

/** One way to find a session's key, chosen by `by`. */
export const affinitySchema = z.discriminatedUnion('by', [token, appCookie, header, query, cookie, ip]);
