/** Where a session's key is found in a request: one schema for each value of `by`. */
import { z } from 'zod';
import { duration, flag, integer, text } from './scalars.ts';

/** A token of RFC 9110 section 5.6.2: names of headers, of cookies (RFC 6265 section 4.1.1) and methods. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A header name, in lower case once resolved: names are compared without regard to case (RFC 9110 section 5.1). */
export function headerName() {
  return text("must be a header name: letters, digits and any of !#$%&'*+-.^_`|~", TOKEN).toLowerCase();
}

/** A cookie name, kept as written: cookie names are case-sensitive. */
export function cookieName() {
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
    .describe('Shared secret of HS256, HS384 or HS512'),
  publicKeyFile: text('must be the path of a PEM file')
    .nullable()
    .default(null)
    .describe('PEM file with the public key or certificate'),
  jwksUrl: z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address of a JSON Web Key Set' })
    .nullable()
    .default(null)
    .describe('Address of a JSON Web Key Set'),
  issuer: oneOrMore('must be the text of the iss claim')
    .nullable()
    .default(null)
    .describe('Accepted iss claims; null: any'),
  audience: oneOrMore('must be the text of the aud claim')
    .nullable()
    .default(null)
    .describe('Accepted aud claims; null: any'),
  onInvalid: z
    .enum(['ignore', 'reject'])
    .default('ignore')
    .describe('ignore: a token that does not verify is no key; reject: the request is refused with 401'),
};
const algorithms = z
  .array(z.enum([...SECRET_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS]))
  .min(1, { error: 'must name at least one algorithm' });

/** `verify` as it is written. */
export const verifyWrittenSchema = z.strictObject({
  ...verifyShape,
  algorithms: algorithms.optional().describe('Accepted signature algorithms; default: those that fit the kind of key'),
});

/** How a token is checked before its claim is believed. `algorithms` defaults to those that fit the kind of key, never `none`. */
export const verifySchema = z.codec(
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
  by: z.literal('token').describe('The key is a token, or one of its claims'),
  from: tokenSource
    .default('authorization')
    .describe('Where the token is: authorization, "cookie NAME" or "header NAME"'),
  claim: text('must be the name of a claim')
    .nullable()
    .default(null)
    .describe('Claim that is the key; null: the whole token, hashed'),
  verify: verifySchema.nullable().default(null).describe('How the token is checked; null: it is not'),
});

const appCookie = z.strictObject({
  by: z
    .literal('app-cookie')
    .describe('The key is a cookie of the application, learned from Set-Cookie of a good response'),
  name: cookieName().describe('Name of the cookie, such as JSESSIONID'),
});

const header = z.strictObject({
  by: z.literal('header').describe('The key is the value of a request header'),
  name: headerName().describe('Name of the header'),
  learn: flag().default(false).describe('true: the key is also learned from a response'),
});

const query = z.strictObject({
  by: z.literal('query').describe('The key is a value of the query'),
  name: text('must be the name of a query parameter').describe('Name of the parameter, such as sid'),
});

const cookie = z.strictObject({
  by: z.literal('cookie').describe('The key is a cookie that limpet issues when nothing else found a key'),
  name: cookieName().default('limpet').describe('Name of the cookie, unique for each pool on one host'),
  path: text('must be a cookie path: it begins with / and holds no ; or control character', /^\/[^;\x00-\x1f\x7f]*$/)
    .default('/')
    .describe('Path of the cookie'),
  domain: text('must be a domain such as shop.example', /^\.?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/)
    .toLowerCase()
    .overwrite((domain) => domain.replace(/^\./, ''))
    .nullable()
    .default(null)
    .describe('Domain of the cookie; null: the host of the request only'),
  sameSite: z.enum(['lax', 'strict', 'none']).default('lax').describe('SameSite attribute'),
  secure: z
    .union([z.literal('auto'), z.boolean()], { error: 'must be auto, true or false' })
    .default('auto')
    .describe("auto: when the client's side is TLS"),
  httpOnly: flag().default(true).describe('true: scripts of the page cannot read it'),
  partitioned: flag().default(false).describe('Partitioned attribute (CHIPS), for embedded pages'),
  maxAge: duration().nullable().default(null).describe('Max-Age; null: until the browser ends'),
});

const ip = z.strictObject({
  by: z.literal('ip').describe("The key is the client's address"),
  prefix4: integer(0, 32).default(32).describe('Bits of an IPv4 address that count'),
  prefix6: integer(0, 128).default(64).describe('Bits of an IPv6 address that count'),
});

/** One way to find a session's key, chosen by `by`. */
export const affinitySchema = z.discriminatedUnion('by', [token, appCookie, header, query, cookie, ip]);
