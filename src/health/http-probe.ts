import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import type { Backend } from '../backends/backend.ts';
import { openBackend } from '../backends/open-backend.ts';
import { proxyHeader } from '../backends/proxy-header.ts';
import type { ActiveHealthConfig } from '../config/schema.ts';
import type { ErrorCode } from '../errors.ts';
import { Deadline } from '../timing/deadline.ts';
import { http2Probe } from './http2-probe.ts';
import { noConnection } from './no-connection.ts';
import type { ProbedPool, ProbeFactory, ProbeResult } from './probe.ts';
import { probeFields } from './probe-fields.ts';
import { ProbeTls } from './probe-tls.ts';
import type { Witness } from './witness.ts';

/** So much of a body is read, that the backend sees its answer taken; more is cut off. */
const BODY_LIMIT = 64 * 1024;
/** Ten days: longer than any interval between two probes. */
const FOR_GOOD_MS = 864_000_000;

/**
 * A probe that sends a request: the backend is well when a status that is expected comes within the timeout. The body
 * does not matter, redirects are not followed. Each probe has a connection of its own, so it tests that the backend
 * accepts one, and never meets one that the backend is about to close; after the answer it is a Lifeline's.
 */
export const httpProbe: ProbeFactory = (config, pool, name) => {
  const tls = new ProbeTls(name, pool.tls);
  return {
    async check(backend, signal, witness = null) {
      const first = await ask(config, pool, backend, tls, signal, witness);
      const retry = !first.ok && backend.secure && first.code === 'BACKEND_CONNECT' && !signal.aborted && tls.renew();
      return retry ? ask(config, pool, backend, tls, signal, witness) : first;
    },
  };
};

async function ask(
  config: ActiveHealthConfig,
  pool: ProbedPool,
  backend: Backend,
  tls: ProbeTls,
  signal: AbortSignal,
  witness: Witness | null,
): Promise<ProbeResult> {
  if (pool.http2) return http2Probe(config, backend, () => open(backend, config.port, tls, pool), signal, witness);
  // Only where there are such probes: it takes a third of the time of a start.
  const { Client } = await import('undici');
  let socket: Socket | undefined;
  let connected = false;
  const over = new AbortController();
  const end = (): void => {
    over.abort();
    // undici looks at the signal only when it has a connection; one that nobody answers would stay open for minutes.
    if (!connected) socket?.destroy(new Error('no connection'));
  };
  const deadline = new Deadline(config.timeout, end);
  signal.addEventListener('abort', end);
  if (signal.aborted) end();

  const lifeline = witness?.lifeline ?? null;
  let answered = false;
  const { host, fields } = probeFields(config, backend);
  const client = new Client(`http://${backend.authority}`, {
    // All time is counted here, from the start to the status: undici's own timers are coarse.
    headersTimeout: 0,
    bodyTimeout: 0,
    // How long it is kept is the backend's to say: by closing it.
    keepAliveTimeout: FOR_GOOD_MS,
    keepAliveMaxTimeout: FOR_GOOD_MS,
    keepAliveTimeoutThreshold: -FOR_GOOD_MS,
    connect(_, callback) {
      try {
        const opened = open(backend, config.port, tls, pool);
        socket = opened;
        opened.once(backend.secure ? 'secureConnect' : 'connect', () => {
          connected = true;
          lifeline?.established(opened);
          callback(null, opened);
        });
        opened.on('error', (error) => callback(error, null));
      } catch (error) {
        callback(error as Error, null);
      }
    },
  });
  try {
    const { statusCode, headers, body } = await client.request({
      path: config.path,
      method: config.method as Dispatcher.HttpMethod,
      headers: { host, ...fields },
      reset: lifeline === null,
      signal: over.signal,
    });
    await body.dump({ limit: BODY_LIMIT, signal: over.signal }).catch(() => {});
    answered = true;
    if (witness !== null) witness.boot = headers['limpet-backend']?.toString() ?? null;
    const expected = config.expect.some(({ from, to }) => statusCode >= from && statusCode <= to);
    return expected ? { ok: true } : { ok: false, reason: `status ${statusCode}`, code: null };
  } catch (error) {
    if (!over.signal.aborted) {
      if (witness !== null && !connected) witness.error = error as Error;
      return { ok: false, ...describe(error, connected) };
    }
    return connected
      ? { ok: false, reason: `no answer within ${config.timeout} ms`, code: 'BACKEND_TIMEOUT' }
      : { ok: false, reason: `no connection within ${config.timeout} ms`, code: 'BACKEND_CONNECT' };
  } finally {
    deadline.cancel();
    signal.removeEventListener('abort', end);
    const close = (): void => {
      socket?.destroy();
      void client.destroy();
    };
    // Closed by undici already where the answer says that the connection ends with it.
    if (answered && lifeline !== null && !over.signal.aborted) lifeline.hold(socket!, close);
    else {
      socket?.destroy();
      await client.destroy();
    }
  }
}

function open(backend: Backend, port: number | null, tls: ProbeTls, { http2, sendProxyProtocol }: ProbedPool): Socket {
  return openBackend(backend, {
    tls: tls.current,
    alpn: http2 ? ['h2'] : ['http/1.1'],
    // A probe is no client's: the header says that the connection is limpet's own.
    preamble: sendProxyProtocol === 'off' ? '' : proxyHeader(sendProxyProtocol, null),
    halfOpen: !http2,
    port,
  });
}

function describe(error: unknown, connected: boolean): { reason: string; code: ErrorCode } {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  // AggregateError: of a name with several addresses.
  if (syscall === 'connect' || syscall === 'getaddrinfo' || error instanceof AggregateError)
    return noConnection(error as Error);
  // TLS did not come about: what is wrong with a certificate is in the message.
  if (!connected) return { reason: message, code: 'BACKEND_CONNECT' };
  const isClosed = code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
  // What is left are the errors of the parser.
  return { reason: message, code: isClosed ? 'BACKEND_RESET' : 'BACKEND_PROTOCOL' };
}
