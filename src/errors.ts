/**
 * Every way a request can fail: its code, whose fault it is, and the status that the client gets.
 * docs/reference/errors.md is held against this table by a test.
 */

/** Who is to blame. Only `backend` counts against a backend's health. */
type Fault = 'client' | 'limpet' | 'backend' | 'pool';

export interface ErrorKind {
  /** Value of the `Limpet-Error` header and of the `code` label in metrics. */
  readonly code: ErrorCode;
  readonly status: number;
  readonly fault: Fault;
  /** Seconds for `Retry-After`; 0: the header is left out. */
  readonly retryAfter: number;
  /** One sentence for the person who reads the error page. */
  readonly text: string;
}

export type ErrorCode =
  | 'BAD_REQUEST'
  | 'BINDING_MISMATCH'
  | 'CROSS_SITE'
  | 'NO_ROUTE'
  | 'METHOD_NOT_ALLOWED'
  | 'REQUEST_TIMEOUT'
  | 'URI_TOO_LONG'
  | 'EXPECTATION_FAILED'
  | 'UNAUTHORIZED'
  | 'RATE_LIMITED'
  | 'TOO_MANY_SESSIONS'
  | 'DIALOG_QUEUE_FULL'
  | 'HEADERS_TOO_LARGE'
  | 'CLIENT_GONE'
  | 'INTERNAL'
  | 'BACKEND_CONNECT'
  | 'BACKEND_RESET'
  | 'BACKEND_PROTOCOL'
  | 'NO_BACKEND'
  | 'SESSION_LOST'
  | 'QUEUE_TIMEOUT'
  | 'DIALOG_TIMEOUT'
  | 'STORE_DOWN'
  | 'KEYS_DOWN'
  | 'STOPPING'
  | 'BACKEND_TIMEOUT';

function kind(code: ErrorCode, status: number, fault: Fault, text: string, retryAfter = 0): ErrorKind {
  return { code, status, fault, retryAfter, text };
}

export const ERRORS: { readonly [C in ErrorCode]: ErrorKind } = {
  BAD_REQUEST: kind('BAD_REQUEST', 400, 'client', 'The request cannot be parsed safely.'),
  UNAUTHORIZED: kind('UNAUTHORIZED', 401, 'client', 'The token of this request is not valid.'),
  BINDING_MISMATCH: kind(
    'BINDING_MISMATCH',
    403,
    'client',
    'This session began at another address, with another browser or with another certificate.',
  ),
  CROSS_SITE: kind('CROSS_SITE', 403, 'client', 'This request came from a page of another site.'),
  NO_ROUTE: kind('NO_ROUTE', 404, 'client', 'No route matches this address.'),
  METHOD_NOT_ALLOWED: kind('METHOD_NOT_ALLOWED', 405, 'client', 'This method is not served here.'),
  REQUEST_TIMEOUT: kind('REQUEST_TIMEOUT', 408, 'client', 'The request came too slowly.'),
  URI_TOO_LONG: kind('URI_TOO_LONG', 414, 'client', 'The address of the request is over the limit.'),
  EXPECTATION_FAILED: kind('EXPECTATION_FAILED', 417, 'client', 'Only the expectation 100-continue is known.'),
  RATE_LIMITED: kind('RATE_LIMITED', 429, 'client', 'Too many requests in a short time. Please slow down.', 1),
  TOO_MANY_SESSIONS: kind('TOO_MANY_SESSIONS', 429, 'client', 'This user has as many sessions as are allowed.', 60),
  DIALOG_QUEUE_FULL: kind('DIALOG_QUEUE_FULL', 429, 'client', 'Too many requests of this session wait already.', 1),
  HEADERS_TOO_LARGE: kind('HEADERS_TOO_LARGE', 431, 'client', 'The header fields are over the limit.'),
  CLIENT_GONE: kind('CLIENT_GONE', 499, 'client', 'The client left before the answer.'),
  INTERNAL: kind('INTERNAL', 500, 'limpet', 'Something went wrong inside the load balancer.'),
  BACKEND_CONNECT: kind('BACKEND_CONNECT', 502, 'backend', 'The server behind this address could not be reached.'),
  BACKEND_RESET: kind('BACKEND_RESET', 502, 'backend', 'The server closed the connection before it answered.'),
  BACKEND_PROTOCOL: kind('BACKEND_PROTOCOL', 502, 'backend', 'The server answered something that is not valid HTTP.'),
  NO_BACKEND: kind('NO_BACKEND', 503, 'pool', 'No server is available right now.', 5),
  SESSION_LOST: kind('SESSION_LOST', 503, 'pool', 'The server that held this session is gone. Please start again.', 1),
  QUEUE_TIMEOUT: kind('QUEUE_TIMEOUT', 503, 'pool', 'All servers are busy right now.', 1),
  DIALOG_TIMEOUT: kind('DIALOG_TIMEOUT', 503, 'limpet', 'Another request of this session is still being answered.', 1),
  KEYS_DOWN: kind('KEYS_DOWN', 503, 'limpet', 'The keys that tokens are checked with cannot be had at the moment.', 5),
  STORE_DOWN: kind('STORE_DOWN', 503, 'limpet', 'Sessions cannot be looked up right now.', 1),
  STOPPING: kind('STOPPING', 503, 'limpet', 'The load balancer is stopping.', 1),
  BACKEND_TIMEOUT: kind('BACKEND_TIMEOUT', 504, 'backend', 'The server took too long to answer.'),
};

/** The codes in the order of the table: an index into it fits a byte of shared memory. */
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[];
