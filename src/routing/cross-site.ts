import { parseOrigin } from '../config/origin.ts';
import type { Head } from '../http1/head.ts';
import { hashName } from '../http1/header-id.ts';
import { isSameHost } from '../http1/host.ts';

const SITE = 'sec-fetch-site';
const SITE_HASH = hashName(SITE);
const ORIGIN = 'origin';
const ORIGIN_HASH = hashName(ORIGIN);

/** Who knows the Host that the client used (see ClientSide). */
interface HostKnower {
  clientHost(head: Head): string;
}

/**
 * Tells requests that another site made the browser send (cross-site request forgery, WebSocket hijacking) from the
 * site's own, without a token in every form: by what browsers say of themselves, Fetch Metadata (`Sec-Fetch-Site`), and
 * `Origin` where a browser is too old for that or the connection is not secure. The algorithm is that of Go's net/http
 * CrossOriginProtection and OWASP's for Fetch Metadata. Clients that are no browsers send neither and pass: they have
 * nobody's cookies.
 */
export class CrossSite {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowOrigins origins that pass all the same; what is no origin allows nothing */
  constructor(allowOrigins: readonly string[]) {
    this.#allowed = new Set(allowOrigins.map(parseOrigin).filter((origin) => origin !== null));
  }

  /**
   * Whether this request is another site's and has to be refused.
   * @param upgrade it asks to switch protocols: a WebSocket is opened with GET and by any site
   */
  refuses(head: Head, upgrade: boolean, client: HostKnower): boolean {
    if (!upgrade && isSafe(head.method)) return false;
    const origin = onlyValue(head, ORIGIN, ORIGIN_HASH);
    const site = onlyValue(head, SITE, SITE_HASH);
    // Two of a kind: no browser sends them, and nobody can say which one counts.
    if (origin === null || site === null) return true;
    if (site !== '') return site !== 'same-origin' && site !== 'none' && !this.#allowed.has(origin);
    return origin !== '' && !this.#allowed.has(origin) && !isOwn(origin, client.clientHost(head));
  }
}

/** Methods that change nothing, by definition (RFC 9110 9.2.1). */
function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE';
}

/** The value of a field; '' when it is not there or empty, null when it is there more than once. */
function onlyValue(head: Head, name: string, hash: number): string | null {
  const line = head.find(name, hash);
  if (line < 0) return '';
  return head.find(name, hash, line + 1) < 0 ? head.value(line) : null;
}

/**
 * Whether an origin names the host and port that the client has asked. Its scheme says what a missing port is; `null`
 * has none and is nobody's.
 */
function isOwn(origin: string, host: string): boolean {
  const authority = origin.indexOf('://');
  if (authority < 0 || host === '') return false;
  return isSameHost(origin.slice(authority + 3), host, origin.startsWith('https://') ? 443 : 80);
}
