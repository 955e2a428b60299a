import { plainPath } from '../config/plain-path.ts';
import type { RouteMatchConfig } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import type { Head } from '../http1/head.ts';
import { hashName } from '../http1/header-id.ts';

/** Whether `text[start, end)` of a request matches. Allocates nothing, save for a regular expression. */
export type RangeMatcher = (text: string, start: number, end: number) => boolean;
type HeadMatcher = (head: Head) => boolean;

/** One route's `match`, compiled. Null: anything will do. */
export interface Matchers {
  readonly host: RangeMatcher | null;
  readonly path: RangeMatcher | null;
  /** Methods and headers. */
  readonly head: HeadMatcher | null;
}

/**
 * Compiles one route's `match`.
 * @param at its place in the configuration, for messages
 * @throws StartError when it can never match.
 */
export function compileMatch(match: RouteMatchConfig, at: string): Matchers {
  const headers = Object.entries(match.headers).map(([name, value]) => headerMatcher(name, value));
  const all = match.methods.length === 0 ? headers : [methodMatcher(match.methods), ...headers];
  return {
    host: match.host === null ? null : hostMatcher(match.host),
    path: match.path === null ? null : pathMatcher(match.path, `${at}.path`),
    head: all.length === 0 ? null : (head) => all.every((matches) => matches(head)),
  };
}

/**
 * Host without port and without the dot of a fully qualified name, in any case. `*.shop.example` matches one label or
 * more in front (`a.shop.example`, `a.b.shop.example`) and not `shop.example` itself, as in HAProxy's `hdr_end`, nginx
 * and the Gateway API; Caddy's wildcard is one label.
 */
function hostMatcher(pattern: string): RangeMatcher {
  const lower = pattern.toLowerCase().replace(/\.$/, '');
  if (!lower.startsWith('*.'))
    return (text, start, end) => end - start === lower.length && equalsFolded(text, start, lower);
  const suffix = lower.slice(1);
  return (text, start, end) => end - start > suffix.length && equalsFolded(text, end - suffix.length, suffix);
}

/**
 * `/api/` and `/api` are one prefix: they match `/api` and all below it, and not `/apix` (as Kubernetes has it). `= /x`
 * matches that path alone, `~ …` is a regular expression in JavaScript's syntax, anchored only where it says so. All of
 * them see the path as `readPath` reads it.
 * @param at its place in the configuration, for messages
 * @throws StartError when it can never match.
 */
export function pathMatcher(pattern: string, at: string): RangeMatcher {
  if (pattern.startsWith('~ ')) {
    const expression = compileExpression(pattern.slice(2), at);
    return (text, start, end) => expression.test(text.slice(start, end));
  }
  const exact = pattern.startsWith('= ');
  const read = plainPath(exact ? pattern.slice(2) : pattern);
  if ('error' in read) throw new StartError(`${at}: ${read.error}`);
  const { path } = read;
  if (exact) return (text, start, end) => end - start === path.length && text.startsWith(path, start);
  const prefix = path.endsWith('/') ? path.slice(0, -1) : path;
  const length = prefix.length;
  return (text, start, end) =>
    end - start >= length &&
    text.startsWith(prefix, start) &&
    (end - start === length ? length > 0 : text.charCodeAt(start + length) === 0x2f);
}

function compileExpression(source: string, at: string): RegExp {
  try {
    return new RegExp(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`${at}: is not a regular expression: ${reason}`, { cause });
  }
}

/** Methods are compared as they are: GET does not imply HEAD. */
function methodMatcher(methods: readonly string[]): HeadMatcher {
  return (head) => methods.includes(head.method);
}

/** One of the lines of this name has exactly this value. */
function headerMatcher(name: string, value: string): HeadMatcher {
  const lower = name.toLowerCase();
  const hash = hashName(lower);
  const bytes = Buffer.from(value, 'utf8').latin1Slice();
  return (head) => {
    for (let line = head.find(lower, hash); line >= 0; line = head.find(lower, hash, line + 1)) {
      const start = head.valueStart(line);
      if (head.valueEnd(line) - start === bytes.length && head.text.startsWith(bytes, start)) return true;
    }
    return false;
  };
}

/** `text` from `start` on against text in lower case, ASCII letters in any case. */
function equalsFolded(text: string, start: number, lower: string): boolean {
  if (text.startsWith(lower, start)) return true;
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(start + i);
    const folded = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (folded !== lower.charCodeAt(i)) return false;
  }
  return true;
}
