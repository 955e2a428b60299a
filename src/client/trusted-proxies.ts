import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';
import { UNIX_PEERS } from '../config/cidr.ts';
import { StartError } from '../errors-start.ts';

interface Network {
  readonly address: ipaddr.IPv4 | ipaddr.IPv6;
  readonly bits: number;
}

/**
 * Addresses whose answer is remembered: the parser of ipaddr.js takes microseconds, and a proxy sends the same
 * addresses again and again.
 */
const REMEMBERED = 4096;

/** The peers whose word about the client is believed (`trustedProxies`): CIDRs, compiled once. */
export class TrustedProxies {
  readonly #v4: readonly Network[];
  readonly #v6: readonly Network[];
  /** Whoever connects by a unix socket is one of them. */
  readonly #unix: boolean;
  readonly #known = new LRUCache<string, boolean>({ max: REMEMBERED });

  /** @throws StartError when one of them is no CIDR. */
  constructor(cidrs: readonly string[]) {
    this.#unix = cidrs.includes(UNIX_PEERS);
    const networks = cidrs.filter((cidr) => cidr !== UNIX_PEERS).map(network);
    this.#v4 = networks.filter(({ address }) => address.kind() === 'ipv4');
    this.#v6 = networks.filter(({ address }) => address.kind() === 'ipv6');
  }

  /**
   * True when this address, in the form that `normalise` gives, is one of them; '' is the other end of a unix socket.
   * Anything else that is no address never is.
   */
  has(address: string): boolean {
    if (address === '') return this.#unix;
    if (this.#v4.length === 0 && this.#v6.length === 0) return false;
    let known = this.#known.get(address);
    if (known === undefined) {
      known = this.#contains(address);
      this.#known.set(address, known);
    }
    return known;
  }

  /** The one spelling of an address: see `normaliseAddress`. Text that is no address comes back as it is. */
  normalise(address: string): string {
    return normaliseAddress(address) ?? address;
  }

  #contains(text: string): boolean {
    switch (isIP(text)) {
      case 4: {
        const address = ipaddr.IPv4.parse(text);
        return this.#v4.some((trusted) => address.match(trusted.address, trusted.bits));
      }
      case 6: {
        const address = ipaddr.IPv6.parse(text);
        return this.#v6.some((trusted) => address.match(trusted.address, trusted.bits));
      }
      default:
        return false;
    }
  }
}

const spellings = new LRUCache<string, string>({ max: REMEMBERED });

/**
 * The one spelling of an address, so that equal addresses are equal texts: IPv4 in dotted decimal, an IPv4-mapped IPv6
 * address as the IPv4 one (a socket that serves both families has such peers), IPv6 as RFC 5952 writes it, without a
 * zone. Null when the text is no address: octal, hexadecimal and short forms mean another address to somebody else and
 * are none.
 */
export function normaliseAddress(text: string): string | null {
  switch (isIP(text)) {
    case 4:
      return text;
    case 6: {
      let spelling = spellings.get(text);
      if (spelling === undefined) spellings.set(text, (spelling = spell(text)));
      return spelling;
    }
    default:
      return null;
  }
}

function spell(text: string): string {
  const zone = text.indexOf('%');
  const address = ipaddr.IPv6.parse(zone < 0 ? text : text.slice(0, zone));
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}

function network(cidr: string): Network {
  try {
    const [address, bits] = ipaddr.parseCIDR(cidr);
    // ::ffff:10.0.0.0/104 means 10.0.0.0/8.
    if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96)
      return { address: address.toIPv4Address(), bits: bits - 96 };
    return { address, bits };
  } catch (cause) {
    throw new StartError(`trustedProxies: ${cidr} is not a CIDR: write it as 10.0.0.0/8 or fd00::/8`, { cause });
  }
}
