/**
 * The spans of a request, by OpenTelemetry's semantic conventions for HTTP: a SERVER span for the request, and within
 * it a CLIENT span for each attempt. No secret is in them: paths as in the access log, the public id of the session, no
 * other field of the request than its User-Agent.
 */
import type { Backend } from '../backends/backend.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { publicPath } from '../logging/public-path.ts';
import { OUTCOMES } from '../metrics/outcomes.ts';
import type { RequestTrace } from '../tracing/request-trace.ts';
import { type AttributeValue, SpanKind, spanJson } from '../tracing/span-json.ts';
import { sessionOf } from './session/session-of.ts';

/** Methods of RFC 9110 and RFC 5789; any other is `_OTHER`, as clients can think of any number. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE']);
const OTHER = '_OTHER';

type Attributes = Record<string, AttributeValue>;

/** An attempt begins. One that was given up without a word, as it went wrong by no fault of anybody, ends with it. */
export function beginAttempt(x: Exchange, trace: RequestTrace): void {
  if (!trace.origin.sampled) return;
  if (trace.attemptId !== '') endAttempt(x, trace, x.backend!);
  trace.beginAttempt();
}

/** The attempt at `backend` has ended. */
export function endAttempt(x: Exchange, trace: RequestTrace, backend: Backend): void {
  if (trace.attemptId === '') return;
  const { origin, status, failure } = trace;
  const path = publicPath(x.path);
  const attributes: Attributes = {
    ...methodOf(x),
    'url.full': `${backend.secure ? 'https' : 'http'}://${backend.authority}${path.startsWith('/') ? path : ''}`,
    'server.address': backend.socketPath ?? backend.host,
    'limpet.pool': backend.pool,
    'limpet.backend': backend.id,
  };
  if (backend.port > 0) attributes['server.port'] = backend.port;
  if (status > 0) attributes['http.response.status_code'] = status;
  if (x.attempts > 1) attributes['http.request.resend_count'] = x.attempts - 1;
  const error = failure !== '' ? failure : status >= 400 ? String(status) : '';
  if (error !== '') attributes['error.type'] = error;
  trace.spans.add(
    spanJson({
      traceId: origin.traceId,
      spanId: trace.attemptId,
      parentId: trace.spanId,
      remote: false,
      state: origin.state,
      name: METHODS.has(x.method) ? x.method : 'HTTP',
      kind: SpanKind.client,
      start: origin.epoch + trace.attemptStartedAt,
      end: origin.epoch + performance.now(),
      failed: error !== '',
      attributes,
    }),
  );
  trace.attemptId = '';
}

/** The request has ended. */
export function endTrace(x: Exchange, trace: RequestTrace): void {
  x.trace = null;
  const { origin } = trace;
  if (!origin.sampled) return;
  const { pool, error, status } = x;
  const attributes: Attributes = {
    ...methodOf(x),
    'url.path': publicPath(x.path),
    'url.scheme': x.client.secure ? 'https' : 'http',
    ...hostOf(x.host),
    'client.address': x.client.address,
    'limpet.request_id': x.requestId,
    'limpet.attempts': x.attempts,
  };
  if (x.route !== null) attributes['http.route'] = x.route.path;
  if (status > 0) attributes['http.response.status_code'] = status;
  if (origin.userAgent !== '') attributes['user_agent.original'] = origin.userAgent;
  if (pool !== null) {
    attributes['limpet.pool'] = pool.name;
    attributes['limpet.affinity'] = OUTCOMES[x.outcome]!;
  }
  if (x.lastBackend !== null) attributes['limpet.backend'] = x.lastBackend.id;
  const session = sessionOf(x);
  if (session !== '') attributes['limpet.session'] = session;
  if (error !== null) attributes['error.type'] = error.code;
  else if (status >= 500) attributes['error.type'] = String(status);
  const method = METHODS.has(x.method) ? x.method : 'HTTP';
  trace.spans.add(
    spanJson({
      traceId: origin.traceId,
      spanId: trace.spanId,
      parentId: origin.parentId,
      remote: origin.parentId !== '',
      state: origin.state,
      name: x.route === null ? method : `${method} ${x.route.path}`,
      kind: SpanKind.server,
      start: origin.epoch + x.startedAt,
      end: origin.epoch + performance.now(),
      // What the client did wrong is no failure of the server's.
      failed: status >= 500 || (error !== null && error.status >= 500),
      attributes,
    }),
  );
}

function methodOf({ method }: Exchange): Attributes {
  if (METHODS.has(method)) return { 'http.request.method': method };
  return { 'http.request.method': OTHER, 'http.request.method_original': method };
}

/** The host that the client asked for, which the parser has let through. */
function hostOf(host: string): Attributes {
  if (host === '') return {};
  const colon = host.lastIndexOf(':');
  if (colon <= host.lastIndexOf(']')) return { 'server.address': host };
  const port = Number(host.slice(colon + 1));
  return { 'server.address': host.slice(0, colon), ...(port > 0 ? { 'server.port': port } : {}) };
}
