import { createServer, type Server, type Socket } from 'node:net';

/** Where the answer to a login differs: it gives the client an application cookie. */
export const LOGIN_PATH = '/login';
/** Name of the application cookie that the backends set: proxies without a cookie of their own stick by it. */
export const APPLICATION_COOKIE = 'sid';
/** Response header with the id of the backend that answered. */
export const BACKEND_HEADER = 'x-backend';

const LOGIN_START = Buffer.from(`GET ${LOGIN_PATH} `);
const GET_START = Buffer.from('GET /');
const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD = 64 * 1024;

/** Counts requests over several backends. */
export interface Served {
  requests: number;
}

/**
 * A backend that costs as little as Node allows: it answers every GET without a body with the same bytes, and parses
 * nothing but the end of each head. Anything else closes the connection, so a load that it does not understand shows up
 * as errors and never as good figures. `makeSession` gives the value of the application cookie at each login.
 */
export function createResponder(id: string, bodyBytes: number, served: Served, makeSession: () => string): Server {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${bodyBytes}\r\nX-Backend: ${id}\r\n`;
  const body = Buffer.alloc(bodyBytes, 'limpet benchmark body; ');
  const plain = Buffer.concat([Buffer.from(`${head}\r\n`), body]);

  function answer(socket: Socket, bytes: Buffer, start: number): boolean {
    if (!startsWith(bytes, start, GET_START)) return false;
    served.requests++;
    if (!startsWith(bytes, start, LOGIN_START)) {
      socket.write(plain);
      return true;
    }
    socket.write(`${head}Set-Cookie: ${APPLICATION_COOKIE}=${makeSession()}; Path=/; HttpOnly\r\n\r\n`);
    socket.write(body);
    return true;
  }

  return createServer({ noDelay: true }, (socket) => {
    let rest: Buffer | null = null;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      const bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(HEAD_END); end >= 0; end = bytes.indexOf(HEAD_END, start)) {
        if (!answer(socket, bytes, start)) {
          socket.destroy();
          return;
        }
        start = end + HEAD_END.length;
      }
      rest = start === bytes.length ? null : bytes.subarray(start);
      if (rest !== null && rest.length > MAX_HEAD) socket.destroy();
    });
  });
}

function startsWith(bytes: Buffer, start: number, prefix: Buffer): boolean {
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[start + i] !== prefix[i]) return false;
  }
  return true;
}
