import { normaliseAddress } from './trusted-proxies.ts';

/** What one hop said in `Forwarded` (RFC 7239 section 4); null where it said nothing. */
export interface ForwardedElement {
  readonly for: string | null;
  readonly proto: string | null;
  readonly host: string | null;
}

/**
 * `name=token` or `name="quoted"`. A value that has to be quoted and is not (`for=192.0.2.1:80`, `for=[::1]`) is taken
 * too: such proxies exist, and without `;`, `,` and `"` it can be read in one way only.
 */
const PAIR = /^[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]+))[ \t]*$/;

/**
 * Reads one element of `Forwarded`, the text between two commas. Null: it is malformed, and nothing in it is believed.
 *
 * The caller splits at every comma, inside of quotes too. An element with a comma in quotes is refused that way, but
 * the alternative is worse: a client that sends an opening quote could swallow what the proxies behind it append.
 */
export function parseForwardedElement(text: string): ForwardedElement | null {
  const found: { for: string | null; proto: string | null; host: string | null } = {
    for: null,
    proto: null,
    host: null,
  };
  for (const part of text.split(';')) {
    if (part.trim() === '') continue;
    const pair = PAIR.exec(part);
    if (pair === null) return null;
    const name = pair[1]!.toLowerCase();
    if (name !== 'for' && name !== 'proto' && name !== 'host') continue;
    // Each parameter stands once in an element (RFC 7239 section 4).
    if (found[name] !== null) return null;
    found[name] = pair[2] === undefined ? pair[3]! : pair[2].replace(/\\(.)/g, '$1');
  }
  return found;
}

/**
 * The address of a node as X-Forwarded-For and `for=` write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
 * `[2001:db8::1]`, `[2001:db8::1]:80`. Null for everything else, `unknown` and obfuscated names (RFC 7239 section 6.3)
 * included.
 */
export function nodeAddress(text: string): string | null {
  const bare = normaliseAddress(text);
  if (bare !== null) return bare;
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?$/.exec(text);
  if (parts === null) return null;
  const address = parts[1] ?? parts[2]!;
  // Brackets are for IPv6 (RFC 3986 section 3.2.2).
  return parts[1] !== undefined && !address.includes(':') ? null : normaliseAddress(address);
}

/** One element for `Forwarded`; `address` null: not known. Values that are no token are quoted (RFC 7239 section 4). */
export function forwardedElement(address: string | null, host: string, proto: string): string {
  const node = address === null ? 'unknown' : address.includes(':') ? `"[${address}]"` : address;
  return `for=${node}${host === '' ? '' : `;host=${quoted(host)}`}${proto === '' ? '' : `;proto=${quoted(proto)}`}`;
}

function quoted(value: string): string {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
