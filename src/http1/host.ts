import { isIPv6 } from 'node:net';

/**
 * 1 for the bytes of a registered name. Of what RFC 3986 allows there, `%` and `,` are left out: a name spelled with
 * percent signs is another name to a server that decodes it, and a comma is what two Host lines look like once somebody
 * has joined them.
 */
const NAME = new Uint8Array(256);
for (const c of "-._~!$&'()*+;=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  NAME[c.charCodeAt(0)] = 1;

const COLON = 0x3a;
const DOT = 0x2e;

/** Whether bytes[start, end) is `host`, `host:port`, `[v6]` or `[v6]:port`, and not empty (RFC 9110 section 7.2). */
export function isHost(bytes: Buffer, start: number, end: number): boolean {
  if (start === end) return false;
  let p = start;
  if (bytes[p] === 0x5b) {
    while (p < end && bytes[p] !== 0x5d) {
      // A zone means nothing to another host, and nothing else has a percent sign (RFC 9110 section 4.2.2, RFC 6874).
      if (bytes[p] === 0x25) return false;
      p++;
    }
    if (p === end || !isIPv6(bytes.latin1Slice(start + 1, p))) return false;
    p++;
  } else {
    let label = p;
    for (; p < end; p++) {
      const byte = bytes[p]!;
      if (byte === COLON) break;
      if (NAME[byte] !== 1) return false;
      if (byte === DOT) {
        if (p === label) return false;
        label = p + 1;
      }
    }
    if (p === start) return false;
    let stop = p;
    if (p === label) {
      // A dot at the end says that the name is complete; the last label is the one before it.
      stop--;
      for (label = stop; label > start && bytes[label - 1] !== DOT; label--);
    }
    if (bytes[label]! <= 0x39 && endsInNumber(bytes, label, stop) && !isIPv4(bytes, start, stop)) return false;
  }
  if (p === end) return true;
  // `host:` is `host` with the default port.
  if (bytes[p] !== COLON || end - p > 6) return false;
  let port = 0;
  for (p++; p < end; p++) {
    const digit = bytes[p]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

/**
 * Whether the last label is a number: then the host is an address, and must be spelled as one (URL Standard, "ends in a
 * number"). `0x7f.1` and `017700000001` are 127.0.0.1 to some and a name to others.
 */
function endsInNumber(bytes: Buffer, start: number, end: number): boolean {
  let p = start;
  const hex = end - start > 1 && bytes[start] === 0x30 && (bytes[start + 1]! | 0x20) === 0x78;
  if (hex) p += 2;
  for (; p < end; p++) {
    const byte = bytes[p]!;
    if (byte >= 0x30 && byte <= 0x39) continue;
    if (!hex || (byte | 0x20) < 0x61 || (byte | 0x20) > 0x66) return false;
  }
  return true;
}

/** Whether bytes[start, end) is four numbers of at most 255 without leading zeros. */
function isIPv4(bytes: Buffer, start: number, end: number): boolean {
  let numbers = 0;
  let value = -1;
  for (let p = start; p < end; p++) {
    const byte = bytes[p]!;
    if (byte === DOT) {
      numbers++;
      value = -1;
      continue;
    }
    const digit = byte - 0x30;
    if (digit < 0 || digit > 9 || value === 0) return false;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return false;
  }
  return numbers === 3;
}

/** Whether two valid hosts name the same one: case and the default port of the scheme make no difference. */
export function isSameHost(a: string, b: string, defaultPort: number): boolean {
  return withPort(a, defaultPort) === withPort(b, defaultPort);
}

function withPort(host: string, defaultPort: number): string {
  const colon = host.lastIndexOf(':');
  if (colon < 0 || host.endsWith(']')) return `${host.toLowerCase()}:${defaultPort}`;
  const port = host.slice(colon + 1);
  return `${host.slice(0, colon).toLowerCase()}:${port === '' ? defaultPort : Number(port)}`;
}
