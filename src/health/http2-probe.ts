import { connect } from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Backend } from '../backends/backend.ts';
import type { ActiveHealthConfig } from '../config/schema.ts';
import type { ErrorCode } from '../errors.ts';
import { Deadline } from '../timing/deadline.ts';
import { noConnection } from './no-connection.ts';
import type { ProbeResult } from './probe.ts';
import { probeFields } from './probe-fields.ts';
import type { Witness } from './witness.ts';

/**
 * Sends the request of a probe over HTTP/2, on a connection of its own. Settles with what came of it within the
 * timeout, sooner when `signal` is aborted, and leaves nothing behind.
 * @param socket opens the connection
 * @param witness as in Probe
 */
export function http2Probe(
  config: ActiveHealthConfig,
  backend: Backend,
  socket: () => Socket,
  signal: AbortSignal,
  witness: Witness | null,
): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  let opened: Socket;
  try {
    opened = socket();
  } catch (error) {
    return Promise.resolve(failure((error as Error).message, 'BACKEND_CONNECT'));
  }
  const scheme = backend.secure ? 'https' : 'http';
  const lifeline = witness?.lifeline ?? null;
  let connected = false;
  let verdict: ProbeResult | null = null;
  if (opened instanceof TLSSocket) {
    opened.once('secureConnect', () => {
      if (opened.alpnProtocol === 'h2') lifeline?.established(opened);
      else settle(failure('the backend does not speak HTTP/2', 'BACKEND_CONNECT'));
    });
  } else if (lifeline !== null) opened.once('connect', () => lifeline.established(opened));
  const session = connect(`${scheme}://${backend.authority}`, { createConnection: () => opened });
  const settle = (result: ProbeResult): void => {
    verdict ??= result;
    deadline.cancel();
    signal.removeEventListener('abort', aborted);
    close();
    resolve(verdict);
  };
  const close = (): void => {
    session.destroy();
    opened.destroy();
  };
  const aborted = (): void => settle(failure('aborted', null));
  const deadline = new Deadline(config.timeout, () => {
    const what = connected ? 'answer' : 'connection';
    settle(failure(`no ${what} within ${config.timeout} ms`, connected ? 'BACKEND_TIMEOUT' : 'BACKEND_CONNECT'));
  });
  signal.addEventListener('abort', aborted);
  session.on('connect', () => {
    connected = true;
  });
  const failed = (error: NodeJS.ErrnoException): void => {
    const { message, syscall } = error;
    if (syscall === 'connect' || syscall === 'getaddrinfo' || error instanceof AggregateError) {
      if (witness !== null) witness.error = error;
      settle({ ok: false, ...noConnection(error) });
    } else settle(failure(message, connected ? 'BACKEND_RESET' : 'BACKEND_CONNECT'));
  };
  // What the connection itself says comes first: stream and session only say that they were given up with it.
  opened.on('error', failed);
  session.on('error', failed);
  const { host, fields } = probeFields(config, backend);
  const stream = session.request(
    {
      ':method': config.method,
      ':scheme': scheme,
      ':authority': host,
      ':path': config.path,
      ...fields,
    },
    { endStream: true },
  );
  stream.on('error', failed);
  stream.on('response', (headers) => {
    const status = Number(headers[':status']);
    const expected = config.expect.some(({ from, to }) => status >= from && status <= to);
    if (witness !== null) witness.boot = headers['limpet-backend']?.toString() ?? null;
    const result: ProbeResult = expected ? { ok: true } : failure(`status ${status}`, null);
    if (lifeline === null || verdict !== null) return settle(result);
    verdict = result;
    deadline.cancel();
    signal.removeEventListener('abort', aborted);
    stream.close();
    lifeline.hold(opened, close);
    resolve(result);
  });
  stream.on('close', () => {
    // The stream of an answer that was good: its connection may be held by now.
    if (verdict === null) settle(failure('closed without an answer', 'BACKEND_RESET'));
  });
  stream.resume();
  if (signal.aborted) aborted();
  return promise;
}

function failure(reason: string, code: ErrorCode | null): ProbeResult {
  return { ok: false, reason, code };
}
