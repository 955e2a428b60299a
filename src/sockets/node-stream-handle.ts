import type { Server, Socket } from 'node:net';

/** A request to the operating system that takes its time: it is told by `oncomplete`. */
export interface StreamRequest {
  oncomplete: ((this: StreamRequest, status: number) => void) | null;
}

/**
 * Node's own object of a TCP connection or a unix socket, under net.Socket: `StreamBase` of its src/stream_base.cc.
 * Results are 0 or a negative errno.
 */
export interface StreamHandle {
  onread: (this: StreamHandle, buffer: ArrayBuffer | undefined) => Buffer | undefined;
  /** Of the operating system; -1: closed. */
  readonly fd?: number;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  readStop(): number;
  writeLatin1String(request: StreamRequest, text: string): number;
  writeBuffer(request: StreamRequest, bytes: Buffer): number;
  /** @param chunks when not `buffers`: each one followed by its encoding */
  writev(request: StreamRequest, chunks: readonly (string | Buffer)[], buffers: boolean): number;
  shutdown(request: StreamRequest): number;
  close(closed: (this: StreamHandle) => void): void;
  /** Missing in unix sockets. */
  reset?(closed: (this: StreamHandle) => void): number;
  getpeername?(ends: { address?: string; port?: number }): number;
  getsockname?(ends: { address?: string; port?: number }): number;
  setNoDelay?(on: boolean): number;
}

/** The same of a server. */
interface ServerHandle {
  onconnection: (this: ServerHandle, status: number, client: StreamHandle | undefined) => void;
}

interface StreamBinding {
  readonly WriteWrap: new () => StreamRequest;
  readonly ShutdownWrap: new () => StreamRequest;
  /** What the latest call has left behind, at the indices below. */
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

/**
 * What the latest call of a handle has left behind. Filled by `useNodeHandles`; before that nothing here is used.
 */
export const streamState = { words: new Int32Array(1) as Int32Array, readBytesOrError: 0, lastWriteWasAsync: 0 };

/** Node's binding of streams; null: handles are not used in this thread, and connections go through net.Socket. */
let binding: StreamBinding | null = null;

/**
 * Lets connections of this thread go by Node's own handles, or through net.Socket. False: this Node has no such
 * handles.
 *
 * `process.binding` is deprecated (DEP0111) without a date, and this is what net.Socket itself is made of since Node
 * 12. Anything that is not as expected here, or the permission model, which forbids it, leaves limpet with net.Socket:
 * slower, the same otherwise.
 */
export function useNodeHandles(use: boolean): boolean {
  binding = use ? findBinding() : null;
  if (binding === null) return false;
  const { streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = binding;
  streamState.words = streamBaseState;
  streamState.readBytesOrError = kReadBytesOrError;
  streamState.lastWriteWasAsync = kLastWriteWasAsync;
  return true;
}

function findBinding(): StreamBinding | null {
  try {
    const found = (process as unknown as { binding(name: string): Partial<StreamBinding> }).binding('stream_wrap');
    const { WriteWrap, ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = found;
    const whole =
      typeof WriteWrap === 'function' &&
      typeof ShutdownWrap === 'function' &&
      streamBaseState instanceof Int32Array &&
      [kReadBytesOrError, kLastWriteWasAsync].every((at) => Number.isInteger(at));
    return whole ? (found as StreamBinding) : null;
  } catch {
    return null;
  }
}

/** A request to write, to be given to a handle. Only while handles are in use. */
export function newWriteRequest(): StreamRequest {
  return new binding!.WriteWrap();
}

/** A request to send FIN, to be given to a handle. Only while handles are in use. */
export function newShutdownRequest(): StreamRequest {
  return new binding!.ShutdownWrap();
}

interface WithHandle {
  _handle: StreamHandle | null;
}

const METHODS = [
  'useUserBuffer',
  'readStart',
  'readStop',
  'writeLatin1String',
  'writeBuffer',
  'writev',
  'shutdown',
  'close',
] as const;

/** Whether a handle has all that DirectSocket uses of it. */
function isWhole(handle: StreamHandle | null | undefined): handle is StreamHandle {
  return handle !== null && handle !== undefined && METHODS.every((name) => typeof handle[name] === 'function');
}

/**
 * Has connections that a listening server accepts offered to `take` before a net.Socket is made for them: that is most
 * of what a new connection costs. What it does not take, and errors, go the ordinary way.
 * @param take true: the connection is taken, and the server knows nothing of it
 */
export function takeConnections(server: Server, take: (client: StreamHandle) => boolean): void {
  const handle = (server as unknown as { readonly _handle: Partial<ServerHandle> | null })._handle;
  const ordinary = handle?.onconnection;
  if (binding === null || !handle || typeof ordinary !== 'function') return;
  handle.onconnection = function (status, client) {
    if (status !== 0 || !isWhole(client) || !take(client)) ordinary.call(this, status, client);
  };
}

/**
 * Takes the connection out of an open socket, which is left closed; null: it has none that can be used so, and the
 * socket is untouched. Nothing may be waiting to be written, and what was read of it is its reader's.
 */
export function takeHandle(socket: Socket): StreamHandle | null {
  const from = socket as unknown as WithHandle;
  const handle = from._handle;
  if (binding === null || !isWhole(handle)) return null;
  from._handle = null;
  // It refers to its socket, which would live as long as the connection does.
  for (const symbol of Object.getOwnPropertySymbols(handle)) {
    const owned = handle as unknown as Record<symbol, unknown>;
    if (owned[symbol] === socket) owned[symbol] = null;
  }
  // Without its connection it has nothing to close, but its server stops counting it.
  socket.destroy();
  return handle;
}
