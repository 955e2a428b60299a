import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { isWhole } from './raw-client.ts';

/** What came of one TLS connection with one request. */
export interface TlsVisit {
  /** The whole answer, as latin1 text. */
  readonly text: string;
  readonly resumed: boolean;
  /** Common name of the server's certificate. */
  readonly certificate: string;
  readonly protocol: string | null;
  /** The latest ticket, for the next connection. */
  readonly session: Buffer | undefined;
  /** Open if `keep` was given. */
  readonly socket: TLSSocket;
}

export interface TlsVisitOptions extends ConnectionOptions {
  readonly request?: string;
  /** Leave the connection open. */
  readonly keep?: boolean;
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/**
 * Opens a TLS connection to this machine, sends a request and settles with the whole answer; rejects when it is refused
 * or takes longer than 20 s.
 */
export function tlsVisit(
  port: number,
  { request = GET, keep = false, ...options }: TlsVisitOptions = {},
): Promise<TlsVisit> {
  const { promise, resolve, reject } = Promise.withResolvers<TlsVisit>();
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  let text = '';
  let session: Buffer | undefined;
  const timer = setTimeout(() => socket.destroy(new Error('no answer within 20 s')), 20_000);
  socket.on('session', (ticket) => {
    session = ticket;
  });
  socket.on('secureConnect', () => socket.write(request));
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    if (!isWhole(text)) return;
    clearTimeout(timer);
    resolve({
      text,
      resumed: socket.isSessionReused(),
      certificate: String(socket.getPeerCertificate().subject?.CN ?? ''),
      protocol: socket.getProtocol(),
      session,
      socket,
    });
    if (!keep) socket.end();
  });
  socket.on('error', reject);
  socket.on('close', () => {
    clearTimeout(timer);
    reject(Object.assign(new Error('closed without an answer'), { code: 'CLOSED' }));
  });
  return promise;
}
