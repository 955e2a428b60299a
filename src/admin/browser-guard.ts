import { isIP } from 'node:net';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The header fields that tell what a browser is up to. */
interface BrowserFields {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

/**
 * Whether a Host names this machine and not a name that its owner may point here (DNS rebinding): a page of
 * evil.example whose name now resolves to 127.0.0.1 is of the same origin as this API to a browser, but it cannot
 * change what Host says.
 */
export function isLocalHost(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d*$/, '').toLowerCase();
  if (name === 'localhost' || isIP(name) === 4) return true;
  return name.startsWith('[') && name.endsWith(']') && isIP(name.slice(1, -1)) === 6;
}

/**
 * Whether a request that changes something was sent by a page of another origin; programs send neither of the two
 * fields.
 */
export function isCrossOrigin(method: string, fields: BrowserFields): boolean {
  if (SAFE.has(method)) return false;
  const site = fields['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  if (fields.origin === undefined) return false;
  const origin = URL.parse(fields.origin);
  return origin === null || origin.host === '' || origin.host !== (fields.host ?? '').toLowerCase();
}
