import { createHash } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { toClientSocket } from '../src/client/client-socket.ts';
import type { ByteSocket } from '../src/sockets/byte-socket.ts';
import { BodySkipper } from './body-skipper.ts';

/** Where the answer to a login differs: it gives the client an application cookie. */
export const LOGIN_PATH = '/login';
/** Where the backends speak WebSocket: each small text message comes back. */
export const WEBSOCKET_PATH = '/echo';
/** Name of the application cookie that the backends set: proxies without a cookie of their own stick by it. */
export const APPLICATION_COOKIE = 'sid';
/** Response header with the id of the backend that answered. */
export const BACKEND_HEADER = 'x-backend';

const LOGIN_START = Buffer.from(`GET ${LOGIN_PATH} `);
const WEBSOCKET_START = Buffer.from(`GET ${WEBSOCKET_PATH} `);
const GET_START = Buffer.from('GET /');
const POST_START = Buffer.from('POST /');
const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD = 64 * 1024;
/** Added to the key of a handshake (RFC 6455, section 1.3). */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Counts requests (and WebSocket messages) over several backends. */
export interface Served {
  requests: number;
}

/** What a backend answers. */
export interface ResponderSetting {
  readonly id: string;
  readonly bodyBytes: number;
  /** Milliseconds before each answer; 0: at once. */
  readonly delay: number;
  readonly served: Served;
  /** The value of the application cookie at each login. */
  readonly makeSession: () => string;
}

/**
 * A backend that costs as little as Node allows: it answers every GET and POST with the same bytes, and parses nothing
 * but the end of each head (and of a POST's body). Anything else closes the connection, so a load that it does not
 * understand shows up as errors and never as good figures.
 */
export function createResponder({ id, bodyBytes, delay, served, makeSession }: ResponderSetting): Server {
  // With a Date, as origin servers have to send one (RFC 9110 6.6.1): where it is missing a gateway has to write the
  // head anew.
  const head = `HTTP/1.1 200 OK\r\nDate: ${new Date().toUTCString()}\r\nContent-Type: text/plain\r\nContent-Length: ${bodyBytes}\r\nX-Backend: ${id}\r\n`;
  const body = Buffer.alloc(bodyBytes, 'limpet benchmark body; ');
  const plain = Buffer.concat([Buffer.from(`${head}\r\n`), body]);

  function answer(socket: ByteSocket, login: boolean): void {
    served.requests++;
    if (!login) {
      socket.write(plain);
      return;
    }
    socket.write(`${head}Set-Cookie: ${APPLICATION_COOKIE}=${makeSession()}; Path=/; HttpOnly\r\n\r\n`);
    socket.write(body);
  }

  function reply(socket: ByteSocket, login: boolean): void {
    if (delay === 0) answer(socket, login);
    else setTimeout(answer, delay, socket, login);
  }

  function serve(accepted: Socket): void {
    let rest: Buffer | null = null;
    let skipper: BodySkipper | null = null;
    /** What takes the bytes that have come. */
    let take = (chunk: Buffer): void => {
      let bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
      rest = null;
      while (bytes.length > 0) {
        if (skipper !== null) {
          bytes = skipper.skip(bytes);
          if (!skipper.done) return;
          skipper = null;
          reply(socket, false);
          continue;
        }
        const end = bytes.indexOf(HEAD_END);
        if (end < 0) {
          if (bytes.length > MAX_HEAD) socket.destroy();
          rest = Buffer.from(bytes);
          return;
        }
        const start = bytes;
        bytes = bytes.subarray(end + HEAD_END.length);
        if (startsWith(start, POST_START)) skipper = new BodySkipper(start.latin1Slice(0, end + 2));
        else if (startsWith(start, WEBSOCKET_START)) {
          take = echo(socket, id, start.latin1Slice(0, end + 2), served);
          return;
        } else if (startsWith(start, GET_START)) reply(socket, startsWith(start, LOGIN_START));
        else {
          socket.destroy();
          return;
        }
      }
    };
    // limpet's own connections: the less a backend costs, the less it is in the way of what is measured.
    const socket = toClientSocket(accepted, {
      onBytes(size, bytes) {
        take(bytes.subarray(0, size));
        return true;
      },
      onEnd: () => socket.end(),
      onDrain() {},
      onClose() {},
    });
    socket.resume();
  }

  return createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, serve);
}

/**
 * Answers the handshake and returns what takes the bytes behind it and sends each masked text message of less than 126
 * bytes back; anything else ends the connection.
 */
function echo(socket: ByteSocket, id: string, head: string, served: Served): (chunk: Buffer) => void {
  const key = /\r\nsec-websocket-key: *(\S+)\r\n/i.exec(head)?.[1];
  if (key === undefined) {
    socket.destroy();
    return () => {};
  }
  const accept = createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nX-Backend: ${id}\r\n\r\n`,
  );
  let rest: Buffer | null = null;
  return (chunk) => {
    let bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
    rest = null;
    while (bytes.length >= 6) {
      const length = bytes[1]! & 0x7f;
      if (bytes[0] !== 0x81 || length > 125) {
        socket.end();
        return;
      }
      if (bytes.length < 6 + length) break;
      const frame = Buffer.allocUnsafe(2 + length);
      frame[0] = 0x81;
      frame[1] = length;
      for (let i = 0; i < length; i++) frame[2 + i] = bytes[6 + i]! ^ bytes[2 + (i & 3)]!;
      socket.write(frame);
      served.requests++;
      bytes = bytes.subarray(6 + length);
    }
    if (bytes.length > 0) rest = Buffer.from(bytes);
  };
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[i] !== prefix[i]) return false;
  }
  return true;
}
