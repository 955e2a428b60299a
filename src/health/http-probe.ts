import { connect, type Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { ErrorCode } from '../errors.ts';
import type { ProbeFactory } from './probe.ts';

/** So much of a body is read, that the backend sees its answer taken; more is cut off. */
const BODY_LIMIT = 64 * 1024;

/**
 * A probe that sends a request: the backend is well when a status that is expected comes within the timeout. The body does not
 * matter, redirects are not followed. Each probe has a connection of its own, so it tests that the backend accepts one, and
 * never meets one that the backend is about to close.
 */
export const httpProbe: ProbeFactory = (config) => ({
  async check(backend, signal) {
    const port = config.port ?? backend.port;
    let socket: Socket | undefined;
    let connected = false;
    const deadline = new AbortController();
    const end = (): void => {
      deadline.abort();
      // undici looks at the signal only when it has a connection; one that nobody answers would stay open for minutes.
      if (!connected) socket?.destroy(new Error('no connection'));
    };
    const timer = setTimeout(end, config.timeout);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();

    const client = new Client(`http://${backend.host.includes(':') ? `[${backend.host}]` : backend.host}:${port}`, {
      // All time is counted here, from the start to the status: undici's own timers are coarse.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect(_, callback) {
        const opened = connect({ host: backend.host, port });
        socket = opened;
        opened.once('connect', () => {
          connected = true;
          callback(null, opened);
        });
        opened.on('error', (error) => callback(error, null));
      },
    });
    try {
      const { statusCode, body } = await client.request({
        path: config.path,
        method: config.method as Dispatcher.HttpMethod,
        // RFC 9112 section 3.2: the authority of the backend, also when another port is probed.
        headers: { host: backend.authority, 'user-agent': 'limpet', accept: '*/*' },
        reset: true,
        signal: deadline.signal,
      });
      await body.dump({ limit: BODY_LIMIT, signal: deadline.signal }).catch(() => {});
      const expected = config.expect.some(({ from, to }) => statusCode >= from && statusCode <= to);
      return expected ? { ok: true } : { ok: false, reason: `status ${statusCode}`, code: null };
    } catch (error) {
      if (!deadline.signal.aborted) return { ok: false, ...describe(error) };
      return connected
        ? { ok: false, reason: `no answer within ${config.timeout} ms`, code: 'BACKEND_TIMEOUT' }
        : { ok: false, reason: `no connection within ${config.timeout} ms`, code: 'BACKEND_CONNECT' };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      socket?.destroy();
      await client.destroy();
    }
  },
});

function describe(error: unknown): { reason: string; code: ErrorCode } {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (syscall === 'connect' || syscall === 'getaddrinfo') return { reason: code ?? message, code: 'BACKEND_CONNECT' };
  const isClosed = code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
  // What is left are the errors of the parser.
  return { reason: message, code: isClosed ? 'BACKEND_RESET' : 'BACKEND_PROTOCOL' };
}
