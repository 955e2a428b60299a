import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

const FORM =
  'must be a CIDR such as 10.0.0.0/8, fd00::/8, a single address, or unix: for whoever connects by a unix socket';

/** Stands for the other ends of unix sockets, which have no address. */
export const UNIX_PEERS = 'unix:';

/**
 * The CIDR in its plain form (`10.1.2.3/8` is `10.0.0.0/8`, an address alone gets its full length); what is wrong with
 * it otherwise.
 */
export function parseCidr(text: string): { readonly cidr: string } | { readonly error: string } {
  if (text === UNIX_PEERS) return { cidr: text };
  const [address = '', length, ...rest] = text.split('/');
  // ipaddr.js also reads octal, hexadecimal and short forms, which mean another address to somebody else.
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0 || rest.length > 0) return { error: FORM };
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(bits <= most)) return { error: `${FORM}: the length is a number from 0 to ${most}` };
  const network = (family === 4 ? ipaddr.IPv4 : ipaddr.IPv6).networkAddressFromCIDR(`${address}/${bits}`);
  return { cidr: `${network.toString()}/${bits}` };
}
