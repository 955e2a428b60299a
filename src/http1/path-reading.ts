/**
 * How the path of a request can be read. limpet chooses a route by the path and forwards the bytes as they came, so
 * that a backend may see another path than the route did: `/public/../admin` is `/admin` to all of them,
 * `/public/..%2fadmin` and `/public/..;/admin` to some.
 *
 * What all readings have in common is RFC 3986 section 6.2.2 and the habits of web servers: escapes of unreserved
 * characters are decoded, the others are written in upper case, dot segments are resolved, path parameters (`;…`) are
 * taken off, and `//` counts as `/`. In these they differ, each server in its own way:
 */
const HABITS: readonly { readonly sign: RegExp; readonly apply: (path: string) => string }[] = [
  // An encoded slash separates segments.
  { sign: /%2F/, apply: (path) => path.replaceAll('%2F', '/') },
  // So does a backslash.
  { sign: /\\|%5C/, apply: (path) => path.replace(/\\|%5C/g, '/') },
  // Path parameters are taken off before dot segments are resolved: `..;` is `..`.
  { sign: /;|%3B/, apply: (path) => withoutParameters(path.replaceAll('%3B', ';')) },
  // `//` is made `/` before dot segments are resolved: `/a//..` is `/`.
  { sign: /\/\//, apply: mergeSlashes },
];

/**
 * Every way in which a server may read the path, each once; the first is the usual one, without any of the habits
 * above. An empty path is `/` (RFC 9112 section 3.2.1). Null: no reading is safe, because the path holds a NUL (`%00`),
 * at which some servers stop.
 */
export function readPath(path: string): readonly string[] | null {
  const decoded = (path === '' ? '/' : path).replace(/%[0-9A-Fa-f]{2}/g, decodeUnreserved);
  if (decoded.includes('%00')) return null;
  let readings = [decoded];
  // One habit may bring about the sign of the next: `%2F%2F` is `//`.
  for (const { sign, apply } of HABITS) {
    readings = readings.flatMap((reading) => (sign.test(reading) ? [reading, apply(reading)] : [reading]));
  }
  return [...new Set(readings.map((reading) => mergeSlashes(withoutParameters(resolveDots(reading)))))];
}

/** Whether the path has one reading, and it is the text as it stands: the usual case. False when it is not sure. */
export function isPlainPath(text: string, start: number, end: number): boolean {
  if (start >= end || text.charCodeAt(start) !== SLASH) return false;
  let before = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === PERCENT || code === SEMICOLON || code === BACKSLASH) return false;
    // A segment that begins with a dot: `/.well-known` is harmless, but rare enough to take the long way.
    if (before === SLASH && (code === SLASH || code === DOT)) return false;
    before = code;
  }
  return true;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;

/** RFC 3986 section 2.3: the escape of an unreserved character and the character itself are the same. */
function decodeUnreserved(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
  return /^[A-Za-z0-9._~-]$/.test(character) ? character : triplet.toUpperCase();
}

/** RFC 3986 section 5.2.4. */
function resolveDots(path: string): string {
  if (!path.includes('/.')) return path;
  const segments = path.slice(1).split('/');
  const out: string[] = [];
  for (const segment of segments) {
    if (segment === '..') out.pop();
    else if (segment !== '.') out.push(segment);
  }
  const last = segments.at(-1);
  if (last === '.' || last === '..') out.push('');
  return `/${out.join('/')}`;
}

function withoutParameters(path: string): string {
  return path.includes(';') ? path.replace(/;[^/]*/g, '') : path;
}

function mergeSlashes(path: string): string {
  return path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
}
