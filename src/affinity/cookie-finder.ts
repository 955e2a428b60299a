import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/**
 * Cookies of one name that are looked at. Browsers send a few (behaviour 6); more than this is somebody wasting our
 * time.
 */
const MOST = 32;

/**
 * Finds the values of one cookie name in the Cookie lines of a request (RFC 6265 section 4.2.1), as offsets into
 * `head.text`: nothing is allocated. Pairs are split at `;` and at nothing else, quotes or not, as browsers write them
 * and `stripCookies` reads them. Names are case-sensitive.
 */
export class CookieFinder {
  readonly #needle: string;
  readonly #own: boolean;
  /** The value found last is `head.text[start, end)`, without the white space around it. */
  start = 0;
  end = 0;

  /**
   * @param own it is limpet's: what is taken out of a request as such is found, an empty value too, which is otherwise
   * passed over as if the cookie were not there
   */
  constructor(name: string, own: boolean) {
    this.#needle = name;
    this.#own = own;
  }

  /** Looks for the `nth` cookie of the name, from 0, over all lines. */
  find(head: Head, nth: number): boolean {
    if (nth >= MOST) return false;
    const needle = this.#needle;
    const text = head.text;
    let left = nth;
    for (let line = head.cookieLine; line >= 0; line = head.findId(HeaderId.cookie, line + 1)) {
      const lineStart = head.valueStart(line);
      const lineEnd = head.valueEnd(line);
      let at = text.indexOf(needle, lineStart);
      for (; at >= 0 && at + needle.length <= lineEnd; at = text.indexOf(needle, at + needle.length)) {
        const equals = this.#equalsBehind(text, at + needle.length, lineEnd);
        if (equals < 0 || !beginsPair(text, at, lineStart)) continue;
        this.#setValue(text, equals + 1, lineEnd);
        if (this.start === this.end && !this.#own) continue;
        if (left-- === 0) return true;
      }
      if (at < 0) return false;
    }
    return false;
  }

  /**
   * Where the `=` is behind a name, -1: there is none. White space before it makes it another cookie to an application,
   * and ours to `stripCookies`.
   */
  #equalsBehind(text: string, nameEnd: number, lineEnd: number): number {
    let at = nameEnd;
    if (this.#own) while (at < lineEnd && isBlank(text.charCodeAt(at))) at++;
    return at < lineEnd && text.charCodeAt(at) === 0x3d ? at : -1;
  }

  #setValue(text: string, from: number, lineEnd: number): void {
    let end = text.indexOf(';', from);
    if (end < 0 || end > lineEnd) end = lineEnd;
    let start = from;
    while (start < end && isBlank(text.charCodeAt(start))) start++;
    while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
    this.start = start;
    this.end = end;
  }
}

/** Whether only white space stands between `at` and the `;` before it, or the beginning of the line. */
function beginsPair(text: string, at: number, lineStart: number): boolean {
  let before = at - 1;
  while (before >= lineStart && isBlank(text.charCodeAt(before))) before--;
  return before < lineStart || text.charCodeAt(before) === 0x3b;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
