import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * The network that a client's address lies in, as latin1 bytes: those bits that do not count are zero, and the length
 * tells the family. An IPv4-mapped IPv6 address counts as the IPv4 address it holds. Null: the text is no address.
 * Takes microseconds: remember what it answers.
 * @param prefix4 bits of an IPv4 address that count, `prefix6` those of an IPv6 address
 */
export function clientNetwork(client: string, prefix4: number, prefix6: number): string | null {
  // ipaddr.js alone would also take octal and short forms.
  if (isIP(client) === 0) return null;
  const address = ipaddr.process(client);
  const mask =
    address.kind() === 'ipv4'
      ? ipaddr.IPv4.subnetMaskFromPrefixLength(prefix4)
      : ipaddr.IPv6.subnetMaskFromPrefixLength(prefix6);
  const kept = mask.toByteArray();
  const bytes = address.toByteArray().map((byte, i) => byte & kept[i]!);
  return String.fromCharCode(...bytes);
}
