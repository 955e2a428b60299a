import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

/** What a connection has been told. */
interface Known {
  challenged: boolean;
  user: string;
}

/**
 * A server that authenticates connections, as Windows has it: `NTLM TYPE1` is answered with a challenge, `NTLM TYPE3
 * NAME` on the same connection with "you are NAME", and so is whatever comes on it later without any proof. Negotiate
 * alike.
 */
export class NtlmBackend {
  readonly #server: Server | Http2SecureServer;
  readonly #known = new Map<Socket, Known>();
  port = 0;

  /** @param tls certificate of a server that speaks HTTP/2 and HTTP/1.1; absent: HTTP/1.1 without TLS */
  constructor(tls?: { readonly certPem: string; readonly keyPem: string }) {
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response);
    this.#server =
      tls === undefined
        ? createServer({ keepAliveTimeout: 60_000 }, serve)
        : createSecureServer({ cert: tls.certPem, key: tls.keyPem, allowHTTP1: true }, serve as never);
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#known.set(socket, { challenged: false, user: 'nobody' });
      socket.on('close', () => this.#known.delete(socket));
    });
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** Who is known on each connection that is open. */
  get users(): readonly string[] {
    return [...this.#known.values()].map(({ user }) => user).sort();
  }

  stop(): void {
    for (const socket of this.#known.keys()) socket.destroy();
    this.#server.close();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    if (request.httpVersionMajor < 2) response.setHeader('Keep-Alive', 'timeout=1');
    // Of HTTP/2 the session has the connection, and a proxy of it is what a request has.
    const known = request.httpVersionMajor < 2 ? this.#known.get(request.socket) : undefined;
    const [scheme = '', message = '', user = ''] = (request.headers.authorization ?? '').split(' ');
    if (known !== undefined && message === 'TYPE1') {
      known.challenged = true;
      return this.#challenge(response, `${scheme} TYPE2`);
    }
    if (message === 'TYPE3') {
      if (known?.challenged !== true) return this.#challenge(response, scheme);
      known.user = user;
    }
    if (request.url?.startsWith('/private') === true && (known?.user ?? 'nobody') === 'nobody') {
      return this.#challenge(response, 'Basic realm="a", NTLM');
    }
    response.end(`you are ${known?.user ?? 'nobody'}`);
  }

  #challenge(response: ServerResponse, value: string): void {
    response.statusCode = 401;
    response.setHeader('WWW-Authenticate', value);
    response.end('who are you');
  }
}
