import type { CookieNames } from '../affinity/cookie-names.ts';
import { CONNECTION_FIELD_IDS } from '../http1/connection-fields.ts';
import { ConnectionToken, Framing, type Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { LIMPET_FIELD_IDS } from '../http1/limpet-fields.ts';
import { namedFields } from './named-fields.ts';

/** What becomes of a response field on its way to the client, by HeaderId: 0 passed on, 1 dropped, 2 looked at. */
const FATE = new Uint8Array(64);
for (const id of [...CONNECTION_FIELD_IDS, HeaderId.proxyAuthenticate, ...LIMPET_FIELD_IDS]) {
  FATE[id] = 1;
}
FATE[HeaderId.setCookie] = 2;
FATE[HeaderId.contentLength] = 2;
FATE[HeaderId.cacheControl] = 2;

/**
 * The head that goes to the client: the backend's lines in their order, then limpet's.
 * @param framing towards the client; its field is written here and nowhere else
 * @param cookies names of limpet's cookies, which a backend cannot set
 * @param setCookie `Set-Cookie` line of limpet's own, with CRLF; '' for none
 * @param connection `Connection` line with CRLF, or ''
 * @param cacheable the response may be kept by a cache unless told otherwise
 */
export function responseHead(
  head: Head,
  framing: Framing,
  cookies: CookieNames,
  setCookie: string,
  connection: string,
  cacheable: boolean,
): string {
  const text = head.text;
  const named = (head.connection & ConnectionToken.named) === 0 ? null : namedFields(head);
  // A response that sets a session cookie must not be shared: `private` is merged into what it says (behaviour 4).
  const privatise = setCookie !== '' && cacheable;
  const usual = beginsAsUsual(head);
  let out = usual ? '' : `HTTP/1.1 ${head.status} ${text.slice(head.reasonStart, head.fieldsStart)}`;
  let run = usual ? 0 : head.fieldsStart;
  let runEnd = head.fieldsStart;
  let cacheControl = '';
  for (let i = 0; i < head.count; i++) {
    const id = head.id(i);
    const end = head.lineEnd(i);
    let keep = stays(head, i, framing, cookies);
    if (privatise && id === HeaderId.cacheControl) {
      keep = false;
      cacheControl += cacheControl === '' ? head.value(i) : `, ${head.value(i)}`;
    } else if (privatise && keep && isForCaches(head.name(i))) keep = false;
    if (keep && (named === null || !named.has(head.name(i).toLowerCase()))) {
      runEnd = end;
      continue;
    }
    if (runEnd > run) out += text.slice(run, runEnd);
    run = end;
    runEnd = end;
  }
  if (runEnd > run) out += text.slice(run, runEnd);
  if (framing === Framing.chunked) out += 'Transfer-Encoding: chunked\r\n';
  else if (!head.plainLength && hasLength(head, framing)) out += `Content-Length: ${head.contentLength}\r\n`;
  if (privatise) out += `Cache-Control: ${privateCacheControl(cacheControl)}\r\n`;
  return `${out}${setCookie}${connection}\r\n`;
}

/**
 * Whether a head goes to the client byte for byte when limpet has no line to add.
 * @param framing, cookies as in `responseHead`
 */
export function passesAsItIs(head: Head, framing: Framing, cookies: CookieNames): boolean {
  if (!beginsAsUsual(head) || framing === Framing.chunked || (head.connection & ConnectionToken.named) !== 0)
    return false;
  for (let i = 0; i < head.count; i++) if (!stays(head, i, framing, cookies)) return false;
  return true;
}

/** A status line that goes on as it came. */
function beginsAsUsual(head: Head): boolean {
  return head.plainVersion && head.bytes[head.base + 12] === 0x20;
}

/** Whether line i goes to the client, as far as its own name and value decide it. */
function stays(head: Head, i: number, framing: Framing, cookies: CookieNames): boolean {
  const id = head.id(i);
  if (FATE[id] !== 2) return FATE[id] === 0;
  if (id === HeaderId.setCookie) return !cookies.isSet(head.text, head.valueStart(i), head.valueEnd(i));
  if (id === HeaderId.contentLength) return head.plainLength && hasLength(head, framing);
  return true;
}

/** Whether the response may have a Content-Length. */
function hasLength(head: Head, framing: Framing): boolean {
  return framing !== Framing.chunked && head.status >= 200 && head.status !== 204;
}

/** A Cache-Control value with `private`, and without what would let a shared cache keep it (RFC 9111 5.2.2). */
function privateCacheControl(value: string): string {
  const directives = value.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  const kept = directives
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(?:public|s-maxage\b.*)$/i.test(directive));
  if (kept.some((directive) => /^(?:private|no-store)$/i.test(directive))) return kept.join(', ');
  return [...kept, 'private'].join(', ');
}

/** Statuses that a cache may keep without being told (RFC 9110 15.1). */
const HEURISTIC = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);

/**
 * Fields that tell caches of one kind what Cache-Control says to all (RFC 9213): a cache that knows its own does not
 * look at the other, and would keep a response that has a session cookie in it. The names are of the RFC, its
 * predecessor, Akamai, nginx and LiteSpeed; those of Cloudflare, Netlify and Vercel end like the first.
 */
function isForCaches(name: string): boolean {
  return /^(?:(?:.+-)?cdn-cache-control|surrogate-control|edge-control|x-accel-expires|x-litespeed-cache-control)$/i.test(
    name,
  );
}

/**
 * Whether a cache could keep this response: then `Cache-Control: private` has to be added when a cookie goes with it.
 */
export function isCacheable(head: Head, method: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  if (HEURISTIC.has(head.status) || head.findId(HeaderId.cacheControl) >= 0) return true;
  for (let i = 0; i < head.count; i++) {
    const name = head.name(i);
    if (name.toLowerCase() === 'expires' || isForCaches(name)) return true;
  }
  return false;
}
