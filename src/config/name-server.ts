import { isIP } from 'node:net';

const FORM = 'must be the address of a DNS server, such as 10.0.0.2:53 or [fd00::2]:53';

/**
 * Reads `address`, `address:port` or `[address]:port` (53 without a port) into the last two forms; what is wrong with
 * it otherwise.
 */
export function parseNameServer(text: string): { readonly server: string } | { readonly error: string } {
  if (isIP(text) === 6) return { server: `[${text.toLowerCase()}]:53` };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  const port = Number(digits ?? 53);
  if (isIP(address) !== (bracketed === undefined ? 4 : 6)) {
    const named = /^[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*$/.test(address) && bracketed === undefined;
    return { error: named ? `${FORM}: an address, since a name would have to be looked up first` : FORM };
  }
  if (port < 1 || port > 65_535) return { error: `${FORM}, with a port from 1 to 65535` };
  return { server: `${bracketed === undefined ? address : `[${address.toLowerCase()}]`}:${port}` };
}
