import { claims } from './claims.ts';

/**
 * Header fields that limpet itself reads, drops or writes, as small numbers.
 * The parser finds the number while it checks the name, so nothing on the data path compares names again.
 */
export const HeaderId = {
  other: 0,
  /** A name with underscores that turns into one of ours in a CGI-like backend (behaviour 66): never passed on. */
  alias: 1,
  host: 2,
  connection: 3,
  contentLength: 4,
  transferEncoding: 5,
  cookie: 6,
  setCookie: 7,
  expect: 8,
  upgrade: 9,
  te: 10,
  keepAlive: 11,
  proxyConnection: 12,
  proxyAuthenticate: 13,
  proxyAuthorization: 14,
  trailer: 15,
  xForwardedFor: 16,
  xForwardedProto: 17,
  xForwardedHost: 18,
  forwarded: 19,
  via: 20,
  xRequestId: 21,
  limpetSession: 22,
  limpetSessionMoved: 23,
  limpetSessionExpired: 24,
  limpetUser: 25,
  /** Below 32: looked for in every response. */
  date: 26,
  idempotencyKey: 27,
  cacheControl: 28,
  authorization: 29,
  /** Below 32: looked for in every request where there is an admin token. */
  limpetExplain: 30,
  /** The same in every response of a backend. */
  limpetBackend: 31,
  wwwAuthenticate: 32,
  contentEncoding: 33,
  contentType: 34,
  contentRange: 35,
  userAgent: 36,
  accept: 37,
  traceparent: 38,
  tracestate: 39,
  /** One of `claims`, by its name or how it begins. */
  claim: 40,
  limpetError: 41,
  /** Any other name that begins with `limpet-`: what backends and limpet say to each other, and nobody else. */
  limpetOther: 42,
  maxForwards: 43,
  http2Settings: 44,
} as const;

const NAMES: Readonly<Record<string, number>> = {
  host: HeaderId.host,
  connection: HeaderId.connection,
  'content-length': HeaderId.contentLength,
  'transfer-encoding': HeaderId.transferEncoding,
  cookie: HeaderId.cookie,
  'set-cookie': HeaderId.setCookie,
  expect: HeaderId.expect,
  upgrade: HeaderId.upgrade,
  te: HeaderId.te,
  'keep-alive': HeaderId.keepAlive,
  'proxy-connection': HeaderId.proxyConnection,
  'proxy-authenticate': HeaderId.proxyAuthenticate,
  'proxy-authorization': HeaderId.proxyAuthorization,
  trailer: HeaderId.trailer,
  'x-forwarded-for': HeaderId.xForwardedFor,
  'x-forwarded-proto': HeaderId.xForwardedProto,
  'x-forwarded-host': HeaderId.xForwardedHost,
  forwarded: HeaderId.forwarded,
  via: HeaderId.via,
  'x-request-id': HeaderId.xRequestId,
  'limpet-session': HeaderId.limpetSession,
  'limpet-session-moved': HeaderId.limpetSessionMoved,
  'limpet-session-expired': HeaderId.limpetSessionExpired,
  'limpet-user': HeaderId.limpetUser,
  'limpet-error': HeaderId.limpetError,
  'limpet-backend': HeaderId.limpetBackend,
  'idempotency-key': HeaderId.idempotencyKey,
  'cache-control': HeaderId.cacheControl,
  authorization: HeaderId.authorization,
  accept: HeaderId.accept,
  'x-limpet-explain': HeaderId.limpetExplain,
  'http2-settings': HeaderId.http2Settings,
  'www-authenticate': HeaderId.wwwAuthenticate,
  'content-encoding': HeaderId.contentEncoding,
  'content-type': HeaderId.contentType,
  'content-range': HeaderId.contentRange,
  'user-agent': HeaderId.userAgent,
  traceparent: HeaderId.traceparent,
  tracestate: HeaderId.tracestate,
  ...Object.fromEntries(claims.names.map((name) => [name, HeaderId.claim])),
  'max-forwards': HeaderId.maxForwards,
  date: HeaderId.date,
};

/** One step of the name hash; `lower` is the byte in lower case with `_` counted as `-`. */
export function hashStep(hash: number, lower: number): number {
  return (Math.imul(hash, 31) + lower) | 0;
}

/** The hash that the parser computes for a field name; `_` counts as `-`. */
export function hashName(name: string): number {
  const lower = name.toLowerCase().replaceAll('_', '-');
  let hash = 0;
  for (let i = 0; i < lower.length; i++) hash = hashStep(hash, lower.charCodeAt(i));
  return hash;
}

/** Open addressing over the known names: index = hash & mask, linear probing. */
const SIZE = 512;
const slots: { hash: number; name: string; id: number }[] = Array.from({ length: SIZE }, () => ({
  hash: 0,
  name: '',
  id: 0,
}));
for (const [name, id] of Object.entries(NAMES)) {
  const hash = hashName(name);
  let i = hash & (SIZE - 1);
  while (slots[i]!.name !== '') i = (i + 1) & (SIZE - 1);
  slots[i] = { hash, name, id };
}

/** Id of the name at bytes[start, end), whose hash the parser has already computed. */
export function headerId(bytes: Uint8Array, start: number, end: number, hash: number): number {
  for (let i = hash & (SIZE - 1); ; i = (i + 1) & (SIZE - 1)) {
    const slot = slots[i]!;
    const name = slot.name;
    if (name === '') return idByPrefix(bytes, start, end);
    if (slot.hash !== hash || name.length !== end - start) continue;
    let underscore = false;
    let k = 0;
    for (; k < name.length; k++) {
      const byte = bytes[start + k]!;
      const want = name.charCodeAt(k);
      if ((byte | 0x20) === want || byte === want) continue;
      if (byte !== 0x5f || want !== 0x2d) break;
      underscore = true;
    }
    if (k === name.length) return underscore ? HeaderId.alias : slot.id;
  }
}

/** Names that are known by how they begin. */
const PREFIXES = [...claims.prefixes, 'limpet-'];
/** The first three characters of each as one number; few names come further. */
const BEGINNINGS = PREFIXES.map((prefix) => beginning(Buffer.from(prefix), 0));

/** Lower case; `_` is not told from `-` where both could stand. */
function beginning(bytes: Uint8Array, at: number): number {
  return (lowered(bytes[at]!) << 16) | (lowered(bytes[at + 1]!) << 8) | lowered(bytes[at + 2]!);
}

function lowered(byte: number): number {
  return byte === 0x5f ? 0x2d : byte | 0x20;
}

/** Id of a name that is none of NAMES. */
function idByPrefix(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 3) return HeaderId.other;
  const begins = beginning(bytes, start);
  for (let n = 0; n < BEGINNINGS.length; n++) {
    if (BEGINNINGS[n] !== begins) continue;
    const prefix = PREFIXES[n]!;
    let k = 0;
    while (k < prefix.length && start + k < end && lowered(bytes[start + k]!) === prefix.charCodeAt(k)) k++;
    if (k < prefix.length) continue;
    if (n < claims.prefixes.length) return bytes.subarray(start, end).includes(0x5f) ? HeaderId.alias : HeaderId.claim;
    if (start + k < end) return bytes[start + k - 1] === 0x5f ? HeaderId.alias : HeaderId.limpetOther;
  }
  return HeaderId.other;
}
