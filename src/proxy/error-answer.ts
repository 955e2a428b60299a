import type { ErrorKind } from '../errors.ts';
import { REASON_PHRASES } from '../http1/reason-phrases.ts';

/** What an answer of limpet's own is made of. */
interface ErrorAnswer {
  readonly kind: ErrorKind;
  /** Value of the request's Accept field, '' when it has none. */
  readonly accept: string;
  readonly requestId: string;
  /** A response to HEAD has no body. */
  readonly head: boolean;
  /** Whether the connection stays open. */
  readonly keepAlive: boolean;
  /** The client speaks HTTP/1.0 and has to be told that the connection stays. */
  readonly http10: boolean;
  /** Seconds for Retry-After; 0: none. */
  readonly retryAfter: number;
  /** `Date` line with its CRLF. */
  readonly date: string;
  /** Further lines, each with CRLF. */
  readonly more: string;
  /** What a 405 says is allowed. */
  readonly allow: string;
}

/** Methods that limpet passes on: all but CONNECT. */
export const EVERY_METHOD = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE';

/**
 * A response of limpet's own as text: status by kind, a short body as HTML, JSON or text by Accept, never anything of
 * the request in it.
 */
export function errorAnswer(answer: ErrorAnswer): string {
  const { kind, requestId } = answer;
  const reason = REASON_PHRASES[kind.status] ?? 'Error';
  const [type, body] = errorBody(kind, reason, requestId, answer.accept);
  const lines = [
    `HTTP/1.1 ${kind.status} ${reason}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `Limpet-Error: ${kind.code}`,
    `X-Request-Id: ${requestId}`,
  ];
  if (answer.retryAfter > 0) lines.push(`Retry-After: ${answer.retryAfter}`);
  // RFC 9110 15.5.2: a 401 says how to authenticate.
  if (kind.status === 401) lines.push('WWW-Authenticate: Bearer error="invalid_token"');
  // RFC 9110 15.5.6: a 405 says what is allowed.
  if (kind.status === 405) lines.push(`Allow: ${answer.allow}`);
  if (!answer.keepAlive) lines.push('Connection: close');
  else if (answer.http10) lines.push('Connection: keep-alive');
  return `${lines.join('\r\n')}\r\n${answer.date}${answer.more}\r\n${answer.head ? '' : body}`;
}

function errorBody(kind: ErrorKind, reason: string, requestId: string, accept: string): [string, string] {
  switch (preferred(accept)) {
    case 'html':
      return [
        'text/html; charset=utf-8',
        `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${kind.status} ${reason}</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}code{font-size:.875em;opacity:.7}</style></head><body><h1>${kind.status} ${reason}</h1><p>${kind.text}</p><p><code>${kind.code} &middot; ${requestId}</code></p></body></html>\n`,
      ];
    case 'json':
      return [
        'application/json',
        `${JSON.stringify({ status: kind.status, error: kind.code, message: kind.text, requestId })}\n`,
      ];
    default:
      return ['text/plain; charset=utf-8', `${kind.status} ${reason}\n${kind.text}\n${kind.code} ${requestId}\n`];
  }
}

/** The first of the three forms that Accept names; browsers name text/html first, API clients name JSON. */
function preferred(accept: string): 'html' | 'json' | 'text' {
  for (const part of accept.toLowerCase().split(',')) {
    const type = part.split(';', 1)[0]?.trim();
    if (type === 'text/html' || type === 'application/xhtml+xml') return 'html';
    if (type === 'application/json' || type?.endsWith('+json')) return 'json';
    if (type === 'text/plain') return 'text';
  }
  return 'text';
}
