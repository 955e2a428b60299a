import ipaddr from 'ipaddr.js';

/** The two ends of a client's connection. */
interface ProxiedConnection {
  /** Address of the client; anything else: it has none, such as behind a unix socket. */
  readonly address: string;
  /** 0: not known. */
  readonly port: number;
  /** Where the client connected to; '' and 0: not known. */
  readonly localAddress: string;
  readonly localPort: number;
}

/** The 12 bytes that version 2 begins with, as latin1 text. */
export const PROXY_V2_SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const V2_LOCAL = '\x20';
const V2_PROXY = '\x21';
const TCP_OVER_IPV4 = '\x11';
const TCP_OVER_IPV6 = '\x21';

/**
 * The header of the PROXY protocol that tells a backend who its client is (HAProxy's proxy-protocol.txt, sections 2.1
 * and 2.2), as latin1 text. Where the two addresses are of different families both are written as IPv6.
 * @param connection null: limpet speaks for itself, as probes do
 */
export function proxyHeader(version: 'v1' | 'v2', connection: ProxiedConnection | null): string {
  const source = connection === null ? null : parse(connection.address);
  if (connection === null || source === null) {
    if (version === 'v1') return 'PROXY UNKNOWN\r\n';
    // A connection that limpet makes for itself is LOCAL; one for a client without an address has an unspecified
    // family.
    return `${PROXY_V2_SIGNATURE}${connection === null ? V2_LOCAL : V2_PROXY}\0\0\0`;
  }
  const local = parse(connection.localAddress) ?? unspecified(source);
  const four = source.kind() === 'ipv4' && local.kind() === 'ipv4';
  const from = four ? source : asIpv6(source);
  const to = four ? local : asIpv6(local);
  const { port, localPort } = connection;
  if (version === 'v1') return `PROXY ${four ? 'TCP4' : 'TCP6'} ${text(from)} ${text(to)} ${port} ${localPort}\r\n`;
  const body = [...from.toByteArray(), ...to.toByteArray(), port >> 8, port & 255, localPort >> 8, localPort & 255];
  const head = `${PROXY_V2_SIGNATURE}${V2_PROXY}${four ? TCP_OVER_IPV4 : TCP_OVER_IPV6}\0`;
  return head + String.fromCharCode(body.length, ...body);
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

function parse(address: string): Address | null {
  // A zone (fe80::1%eth0) means something on this machine only.
  const plain = address.replace(/%.*$/, '');
  return ipaddr.isValid(plain) ? ipaddr.process(plain) : null;
}

function unspecified(like: Address): Address {
  return ipaddr.parse(like.kind() === 'ipv4' ? '0.0.0.0' : '::');
}

function asIpv6(address: Address): Address {
  return address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address;
}

function text(address: Address): string {
  return address.toString();
}
