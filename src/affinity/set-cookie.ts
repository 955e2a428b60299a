import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/** What a response does to one cookie. Offsets into the head's text; an empty range: the cookie is deleted. */
interface CookieChange {
  readonly start: number;
  readonly end: number;
}

interface SetCookieLine extends CookieChange {
  /** Path and Domain: lines that differ here are about different cookies (RFC 6265 section 5.3, step 11). */
  readonly scope: string;
}

/**
 * What the Set-Cookie lines of a response do to the cookie `name` (RFC 6265 section 5.2). Null: they do not touch it.
 * Of several lines for one path and domain the last one counts; a new value for one of them weighs more than the
 * deletion of another, which is how applications clean up after a change of path. The value is everything after `=`,
 * quotes included: so the browser sends it back.
 * @param now ms since epoch, for Expires
 */
export function cookieChange(response: Head, name: string, now: number): CookieChange | null {
  const changes = new Map<string, SetCookieLine>();
  for (let i = response.findId(HeaderId.setCookie); i >= 0; i = response.findId(HeaderId.setCookie, i + 1)) {
    const line = parseLine(response.text, response.valueStart(i), response.valueEnd(i), name, now);
    if (line === null) continue;
    changes.delete(line.scope);
    changes.set(line.scope, line);
  }
  let change: CookieChange | null = null;
  for (const line of changes.values())
    if (line.end > line.start || change === null || change.end === change.start) change = line;
  return change;
}

function parseLine(
  text: string,
  valueStart: number,
  valueEnd: number,
  name: string,
  now: number,
): SetCookieLine | null {
  const semicolon = text.indexOf(';', valueStart);
  const pairEnd = semicolon < 0 || semicolon > valueEnd ? valueEnd : semicolon;
  const equals = text.indexOf('=', valueStart);
  if (equals < 0 || equals > pairEnd || trimBlanks(text.slice(valueStart, equals)) !== name) return null;
  let start = equals + 1;
  let end = pairEnd;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  const attributes = new Map<string, string>();
  for (const attribute of text.slice(pairEnd + 1, valueEnd).split(';')) {
    const at = attribute.indexOf('=');
    if (at >= 0) attributes.set(trimBlanks(attribute.slice(0, at)).toLowerCase(), trimBlanks(attribute.slice(at + 1)));
  }
  const domain = (attributes.get('domain') ?? '').toLowerCase().replace(/^\./, '');
  const scope = `${attributes.get('path') ?? ''};${domain}`;
  return isPast(attributes, now) ? { start, end: start, scope } : { start, end, scope };
}

/**
 * Max-Age has precedence over Expires (RFC 6265 section 5.3, step 3); what cannot be read is as if it were not there
 * (section 5.2).
 */
function isPast(attributes: ReadonlyMap<string, string>, now: number): boolean {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return Number(maxAge) <= 0;
  const expires = attributes.get('expires') ?? '';
  // `Date.parse` reads `0` as the year 2000, browsers read it as nothing.
  return /[a-z]{3}.*\d:\d\d?:\d/i.test(expires) && Date.parse(expires) <= now;
}

function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '');
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
