import { isIP } from 'node:net';

/** Where a backend listens. */
type BackendUrl =
  | {
      readonly kind: 'tcp';
      /** https:// */
      readonly secure: boolean;
      /** A name or an address, without brackets. */
      readonly host: string;
      readonly port: number;
      /** `host:port` as a Host header has it. */
      readonly authority: string;
      /** In its one spelling: `http://host:port` or `https://host:port`. */
      readonly url: string;
    }
  | {
      readonly kind: 'unix';
      readonly path: string;
      /** In its one spelling: `unix:/path`. */
      readonly url: string;
    };

const ORIGIN = /^(https?):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/i;
const FORM = 'must be http://host:port, such as http://127.0.0.1:9001, https://host:port or unix:/path';
/** `unix:/path` as in `bind`, and the way that nginx writes it, with or without its last colon. */
const UNIX = /^(?:http:\/\/)?unix:(.*?):?$/is;
/** The kernel's sockaddr_un holds 108 bytes with the final NUL. */
const LONGEST_SOCKET = 107;

/**
 * Reads the url of a backend (port 80 or 443 without one, as everywhere in HTTP); what is wrong with it otherwise,
 * without its credentials.
 */
export function parseBackendUrl(text: string): BackendUrl | { readonly error: string } {
  const socket = UNIX.exec(text)?.[1];
  if (socket !== undefined) return unixUrl(socket);
  const [whole, scheme, bracketed, plain, digits] = ORIGIN.exec(text) ?? [];
  if (whole === undefined) {
    if (/^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(text)) return { error: `${FORM}, without a user name or password` };
    if (/^https?:\/\/[^/?#]+[/?#]/i.test(text))
      return { error: `${FORM}, without a path, query or fragment: requests keep their own` };
    if (/^[A-Za-z0-9._-]+(?::\d+)?$/.test(text)) return { error: `${FORM}: put http:// in front` };
    return { error: FORM };
  }
  const secure = scheme!.toLowerCase() === 'https';
  const host = (bracketed ?? plain ?? '').toLowerCase();
  const port = Number(digits ?? (secure ? 443 : 80));
  if (port < 1 || port > 65_535) return { error: `${FORM}, with a port from 1 to 65535` };
  if (bracketed !== undefined && isIP(host) !== 6) return { error: `${FORM}: in the brackets stands an IPv6 address` };
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4)
    return { error: `${FORM}: an IPv4 address has four numbers from 0 to 255` };
  const authority = `${bracketed === undefined ? host : `[${host}]`}:${port}`;
  return { kind: 'tcp', secure, host, port, authority, url: `${secure ? 'https' : 'http'}://${authority}` };
}

function unixUrl(written: string): BackendUrl | { readonly error: string } {
  // unix:///run/app.sock is the same path as a URL has it.
  const path = written.replace(/^\/\/\//, '/');
  if (/^\/[^\0?#]*[^/\0?#]$/.test(path) && !path.startsWith('//') && Buffer.byteLength(path) <= LONGEST_SOCKET) {
    return { kind: 'unix', path, url: `unix:${path}` };
  }
  return {
    error: `must be unix: and an absolute path of at most ${LONGEST_SOCKET} bytes, such as unix:/run/app.sock`,
  };
}
