/**
 * The PROXY protocol, by which a proxy says on a connection's first bytes who its client is. Specification:
 * proxy-protocol.txt of HAProxy, versions 1 (2.1) and 2 (2.2).
 */
import { isIP } from 'node:net';
import { PROXY_V2_SIGNATURE } from '../backends/proxy-header.ts';
import type { ConnectionEnds } from '../client/connection-ends.ts';
import { normaliseAddress } from '../client/trusted-proxies.ts';

/** What the first bytes of a connection say. */
export type ProxyHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad'; readonly problem: string }
  | {
      readonly kind: 'done';
      /** Bytes that it takes up. */
      readonly size: number;
      /**
       * The client's address in its one spelling; null: the header names none, and the connection speaks for itself.
       */
      readonly address: string | null;
      /** The client's connection to the proxy; null together with `address`. */
      readonly ends: ConnectionEnds | null;
    };

/** A line of version 1 with its CRLF is no longer (2.1). */
const LONGEST_LINE = 107;
const V1 = Buffer.from('PROXY ');
const V2 = Buffer.from(PROXY_V2_SIGNATURE, 'latin1');
const V2_FIXED = 16;
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
const MORE: ProxyHeader = { kind: 'more' };

/**
 * Reads a header at the start of `bytes`. @param versions those that are accepted; another one is bad, and so is none
 * at all
 */
export function parseProxyHeader(bytes: Buffer, versions: 'v1' | 'v2' | 'any'): ProxyHeader {
  if (startsLike(bytes, V2)) return versions === 'v1' ? bad('it has version 2, not 1') : parseV2(bytes);
  if (startsLike(bytes, V1)) return versions === 'v2' ? bad('it has version 1, not 2') : parseV1(bytes);
  return bad('the connection does not begin with one');
}

/** As far as there are bytes. */
function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}

function bad(problem: string): ProxyHeader {
  return { kind: 'bad', problem };
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, LONGEST_LINE).indexOf('\r\n');
  if (end < 0) return bytes.length < LONGEST_LINE ? MORE : bad(`its line is longer than ${LONGEST_LINE} bytes`);
  const size = end + 2;
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...rest] = bytes
    .latin1Slice(0, end)
    .split(' ');
  // Whatever follows UNKNOWN is to be ignored (2.1).
  if (family === 'UNKNOWN') return { kind: 'done', size, address: null, ends: null };
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0;
  if (version === 0) return bad('its family is not TCP4, TCP6 or UNKNOWN');
  const whole = isIP(source) === version && isIP(destination) === version && !source.includes('%');
  if (!whole || !isPort(sourcePort) || !isPort(destinationPort) || rest.length > 0) {
    return bad(`its line is not ${family} with two addresses and two ports`);
  }
  const ends = {
    remotePort: Number(sourcePort),
    localAddress: normaliseAddress(destination) ?? '',
    localPort: Number(destinationPort),
  };
  return { kind: 'done', size, address: normaliseAddress(source), ends };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_FIXED) return MORE;
  const command = bytes[12]!;
  if (command !== V2_LOCAL && command !== V2_PROXY) return bad('its version or command is not known');
  const family = bytes[13]!;
  const length = bytes.readUInt16BE(14);
  const needed = command === V2_LOCAL ? 0 : family === TCP4 ? 12 : family === TCP6 ? 36 : 0;
  if (length < needed) return bad('it is too short for its addresses');
  const size = V2_FIXED + length;
  if (bytes.length < size) return MORE;
  // LOCAL is the proxy's own connection, such as a probe; of families that are no TCP nothing can be used (2.2). What
  // follows the addresses are TLVs: none of them matters here.
  if (needed === 0) return { kind: 'done', size, address: null, ends: null };
  const width = needed === 12 ? 4 : 16;
  const ports = V2_FIXED + 2 * width;
  const ends = {
    remotePort: bytes.readUInt16BE(ports),
    localAddress: addressAt(bytes, V2_FIXED + width, width),
    localPort: bytes.readUInt16BE(ports + 2),
  };
  return { kind: 'done', size, address: addressAt(bytes, V2_FIXED, width), ends };
}

function addressAt(bytes: Buffer, at: number, length: number): string {
  if (length === 4) return bytes.subarray(at, at + 4).join('.');
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(at + 2 * group).toString(16));
  return normaliseAddress(groups.join(':'))!;
}
