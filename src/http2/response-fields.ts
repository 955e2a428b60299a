import type { OutgoingHttpHeaders } from 'node:http2';
import type { FieldBlock } from '../http1/field-block.ts';
import { HeaderId } from '../http1/header-id.ts';

/** Fields of which node:http2 sends one line only, and throws at a second. */
const SINGLE = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'age',
  'authorization',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'dnt',
  'etag',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
]);

/** Of those, the ones that are lists: their lines are put into one (RFC 9110 5.3). */
const LISTS = new Set(['content-encoding', 'content-language']);

/** 1 for the fields that HTTP/2 does not have (RFC 9113 8.2.2), by HeaderId. */
const DROPPED = new Uint8Array(64);
for (const id of [
  HeaderId.connection,
  HeaderId.keepAlive,
  HeaderId.proxyConnection,
  HeaderId.transferEncoding,
  HeaderId.upgrade,
  HeaderId.te,
  HeaderId.http2Settings,
]) {
  DROPPED[id] = 1;
}

/**
 * Adds the field lines of a head or a trailer section of HTTP/1.1 to `fields`, in the form in which node:http2 takes them: lower case, lines
 * of one name as an array in their order. Of a second line of a field that there can be only one of, nothing is left.
 */
export function responseFields(block: FieldBlock, fields: OutgoingHttpHeaders): OutgoingHttpHeaders {
  for (let i = 0; i < block.count; i++) {
    if (DROPPED[block.id(i)] === 1) continue;
    const name = block.name(i).toLowerCase();
    const value = block.value(i);
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (LISTS.has(name)) fields[name] = `${String(before)}, ${value}`;
    else if (SINGLE.has(name)) continue;
    else if (Array.isArray(before)) before.push(value);
    else fields[name] = [String(before), value];
  }
  return fields;
}
