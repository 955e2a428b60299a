import { isIP } from 'node:net';

/** Where a backend listens. */
export interface BackendUrl {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port` as a Host header has it. */
  readonly authority: string;
}

const ORIGIN = /^http:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/i;
const FORM = 'must be http://host:port, such as http://127.0.0.1:9001';

/** Reads `http://host:port` (80 without a port, as everywhere in HTTP); what is wrong with it otherwise, without its credentials. */
export function parseBackendUrl(text: string): BackendUrl | { readonly error: string } {
  const [whole, bracketed, plain, digits] = ORIGIN.exec(text) ?? [];
  if (whole === undefined) {
    if (/^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(text)) return { error: `${FORM}, without a user name or password` };
    if (/^http:\/\/[^/?#]+[/?#]/i.test(text))
      return { error: `${FORM}, without a path, query or fragment: requests keep their own` };
    if (/^[A-Za-z0-9._-]+(?::\d+)?$/.test(text)) return { error: `${FORM}: put http:// in front` };
    return { error: FORM };
  }
  const host = (bracketed ?? plain ?? '').toLowerCase();
  const port = Number(digits ?? 80);
  if (port < 1 || port > 65_535) return { error: `${FORM}, with a port from 1 to 65535` };
  if (bracketed !== undefined && isIP(host) !== 6) return { error: `${FORM}: in the brackets stands an IPv6 address` };
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4)
    return { error: `${FORM}: an IPv4 address has four numbers from 0 to 255` };
  return { host, port, authority: `${bracketed === undefined ? host : `[${host}]`}:${port}` };
}
