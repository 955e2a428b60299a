import { Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ClientSocket } from './client-socket.ts';

/** What a Socket keeps of the operating system's connection; not documented, and the same since Node 8. */
interface WithHandle {
  _handle: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
}

/**
 * Makes an accepted connection read into `buffer`, as `net.connect` does with `onread`, instead of into a new Buffer each time.
 *
 * `net.createServer` has no such option, so the connection is handed over to a Socket that has it: that saves an allocation, the
 * way through the stream's buffer and an event for each read. `accepted` must not have been read from (`pauseOnConnect`). TLS, streams
 * that only look like a connection, and all of them where a future Node does not let go of the connection, are read the ordinary way,
 * and copied.
 * @param onBytes called with the number of bytes at the start of `buffer`; they are only there until it returns
 */
export function readInto(accepted: ClientSocket, buffer: Buffer, onBytes: (size: number) => void): ClientSocket {
  const handle = accepted instanceof Socket ? (accepted as unknown as WithHandle)._handle : null;
  if (accepted instanceof TLSSocket || typeof handle?.useUserBuffer !== 'function') {
    accepted.on('data', (bytes: Buffer) => {
      for (let from = 0; from < bytes.length; from += buffer.length) {
        onBytes(bytes.copy(buffer, 0, from, Math.min(bytes.length, from + buffer.length)));
      }
    });
    accepted.resume();
    return accepted;
  }
  (accepted as unknown as WithHandle)._handle = null;
  // Without its connection it has nothing to close, but its server stops counting it.
  accepted.destroy();
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback: (size: number): boolean => {
        onBytes(size);
        return true;
      },
    },
  };
  // `handle` is missing in the types: it is what net.createServer itself makes its sockets with.
  return new Socket(options as unknown as SocketConstructorOpts);
}
