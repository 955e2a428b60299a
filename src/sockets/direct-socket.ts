/**
 * A connection without net.Socket.
 * Longer than 400 lines because it is one state machine: reading, writing and closing depend on each other.
 */
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { incoming, TRANSFER_BYTES } from '../bytes/memory.ts';
import { bufferPool, LENT_BYTES } from './buffer-pool.ts';
import type { ByteSocket, SocketEvents } from './byte-socket.ts';
import {
  newShutdownRequest,
  newWriteRequest,
  type StreamHandle,
  type StreamRequest,
  streamState as state,
  takeHandle,
} from './node-stream-handle.ts';
import { readNow } from './read-now.ts';
import { TEXT_BYTES } from './text-bytes.ts';
import { threadSockets } from './thread-sockets.ts';
import { receive, send, sendText } from './transfers.ts';
import type { Watched } from './watched.ts';

/** As libuv has them (uv/errno.h); the same on all systems. */
const EOF = -4095;
const ENOTCONN = 'ENOTCONN';
const HIGH_WATER_MARK = 65_536;

/** Reads of one connection before others have their turn. */
const READS = 8;
/** Negative errnos of Linux. */
const EAGAIN = -11;
const EINTR = -4;
const ENOMEM = -12;

/** Not `owner`: that is an accessor of Node's, which every read would go through. */
interface OwnedHandle extends StreamHandle {
  direct: DirectSocket;
}

/** A write that the system has not taken whole. */
interface PendingWrite extends StreamRequest {
  owner: DirectSocket;
  size: number;
  /** Kept from being collected. */
  data: unknown;
  /** One of `bufferPool` that `data` is in; null: none. */
  lent: Buffer | null;
}

/** Node wants an object for each write, and looks at it only if the write is not over when the call returns. */
let spare: PendingWrite | null = null;

/**
 * A TCP connection, or a unix socket, without net.Socket: reads and writes are calls of the system where they can be
 * made from here (`transfers.ts`, `readiness.ts`), and go right through Node's handle otherwise.
 *
 * What net.Socket costs on top of that is two streams' buffers, an event and a turn of the nextTick queue for each
 * write, and some kilobytes for each connection (bench/NOTES.md). The rest is as with net.Socket, `allowHalfOpen` and
 * `noDelay` set: writes are tried at once and queued in order when the system takes no more, and the connection closes
 * by itself when both sides have sent FIN.
 */
export class DirectSocket implements ByteSocket, Watched {
  writableLength = 0;
  watchId = 0;
  first = false;
  #events: SocketEvents;
  #handle: OwnedHandle | null;
  readonly #fd: number;
  /** The same for system calls; null: everything goes through Node's handle and libuv. */
  #systemFd: bigint | null;
  #watched = false;
  /** There may be something to read that was not read when it was told. */
  #mayRead = false;
  #paused = true;
  #readEnded = false;
  /** FIN is sent, or about to be. */
  #ending = false;
  #finished = false;
  #closesSoon = false;
  #needsDrain = false;
  #corked: (string | Buffer)[] | null = null;
  #whenFinished: (() => void) | null = null;
  /** Why it closes; while it is open still: nothing more can be written, and what has come is being read. */
  #error: NodeJS.ErrnoException | null = null;

  /**
   * Null: this Node, or this socket, has no handle that can be used so; the socket is untouched then. Reading begins
   * with `resume`.
   */
  static over(socket: Socket, events: SocketEvents): DirectSocket | null {
    const handle = takeHandle(socket);
    if (handle === null) return null;
    // It may have been read by its former owner.
    handle.readStop();
    return new DirectSocket(handle, events);
  }

  /** @param handle of an open connection that nobody reads from. Reading begins with `resume` */
  constructor(handle: StreamHandle, events: SocketEvents) {
    const owned = handle as OwnedHandle;
    this.#events = events;
    this.#handle = owned;
    owned.direct = this;
    owned.onread = onRead;
    this.#fd = handle.fd ?? -1;
    this.#systemFd = threadSockets.readiness === null || this.#fd < 0 ? null : BigInt(this.#fd);
    if (this.#systemFd === null) owned.useUserBuffer(incoming);
  }

  /** Whether bytes that come are to be told: it is open, not paused, and the other side has not ended. */
  get reads(): boolean {
    return !this.#paused && !this.#readEnded && this.#handle !== null;
  }

  get destroyed(): boolean {
    return this.#handle === null;
  }

  get writableHighWaterMark(): number {
    return HIGH_WATER_MARK;
  }

  /** Port of the other end. */
  get remotePort(): number | undefined {
    const ends: { port?: number } = {};
    this.#handle?.getpeername?.(ends);
    return ends.port;
  }

  get localAddress(): string | undefined {
    const ends: { address?: string } = {};
    this.#handle?.getsockname?.(ends);
    return ends.address;
  }

  get localPort(): number | undefined {
    const ends: { port?: number } = {};
    this.#handle?.getsockname?.(ends);
    return ends.port;
  }

  handTo(events: SocketEvents): void {
    this.#events = events;
  }

  // ---- reading ----

  isPaused(): boolean {
    return this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#systemFd === null) this.#handle?.readStop();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#readEnded || this.#handle === null) return;
    if (this.#systemFd === null) {
      const status = this.#handle.readStart();
      if (status < 0) this.#fail(status, 'read');
    } else if (this.#watched) this.#readAgain();
    else if (threadSockets.readiness!.watch(this.#fd, this)) this.#watched = true;
    else {
      this.#systemFd = null;
      this.#handle.useUserBuffer(incoming);
      this.#paused = true;
      this.resume();
    }
  }

  onReadable(closing: boolean, broken = false): void {
    for (let reads = 0; reads < READS; reads++) {
      if (this.#readEnded || this.#handle === null) return;
      if (this.#paused) {
        this.#mayRead = true;
        if (closing) this.#events.onPeerGone?.(broken);
        return;
      }
      const size = receive(this.#systemFd!);
      if (size === EAGAIN) {
        if (this.#error !== null) this.destroy();
        return;
      }
      if (size !== EINTR) this.read(size === 0 ? EOF : size);
      // What came is read, unless the other side has ended: FIN is not told again.
      if (size > 0 && size < TRANSFER_BYTES && !closing) return;
    }
    this.#mayRead = true;
    if (!this.#paused) this.#readAgain();
  }

  look(): boolean {
    if (this.#systemFd === null) return this.#lookThroughNode();
    if (!this.#watched) return false;
    this.onReadable(true);
    return true;
  }

  #lookThroughNode(): boolean {
    if (this.#fd < 0) return false;
    for (let reads = 0; reads < READS; reads++) {
      if (this.#readEnded || this.#handle === null || this.#paused) return true;
      const size = readNow(this.#fd);
      if (size === EAGAIN) return true;
      if (size !== EINTR) this.read(size === 0 ? EOF : size);
    }
    return true;
  }

  #readAgain(): void {
    if (!this.#mayRead || this.#readEnded || this.#handle === null) return;
    this.#mayRead = false;
    if (!threadSockets.readiness!.tellAgain(this.#fd, this)) this.#fail(ENOMEM, 'read');
  }

  /** The system, or the handle, has read. @param size bytes, or a negative errno */
  read(size: number): void {
    if (size > 0) {
      if (!this.#events.onBytes(size, incoming)) this.pause();
    } else if (this.#error !== null) {
      // All that had come has been read. An end is none here: whether the other side has sent one nobody knows.
      this.destroy();
    } else if (size === EOF) {
      if (this.#readEnded) return;
      this.#readEnded = true;
      this.#events.onEnd();
      this.#closeIfOver();
    } else if (size < 0) this.#fail(size, 'read');
  }

  // ---- writing ----

  /**
   * Nothing waits to be written, so what comes now may be offered to the system as it is. What that does not take, and
   * why, is libuv's.
   */
  get #takesAtOnce(): boolean {
    return this.#systemFd !== null && this.writableLength === 0;
  }

  write(data: string | Buffer): void {
    const handle = this.#handle;
    if (handle === null || this.#ending) return;
    if (this.#corked !== null) {
      this.#corked.push(data, typeof data === 'string' ? 'latin1' : 'buffer');
      return;
    }
    let whole = true;
    if (this.#takesAtOnce) {
      const size = data.length;
      const sent = typeof data === 'string' ? sendText(this.#systemFd!, data) : send(this.#systemFd!, data, 0, size);
      if (sent === size) return;
      if (sent > 0) {
        whole = false;
        data = typeof data === 'string' ? data.slice(sent) : data.subarray(sent);
      }
    }
    spare ??= newWrite();
    const status = typeof data === 'string' ? handle.writeLatin1String(spare, data) : handle.writeBuffer(spare, data);
    if (status !== 0) this.#failWrite(status, whole);
    else if (state.words[state.lastWriteWasAsync] !== 0) this.#await(data, data.length, null);
  }

  /** Where the system takes the bytes at once no buffer is made for them. */
  writeCopy(bytes: Buffer, start: number, end: number, before = ''): void {
    if (before !== '') this.write(before);
    if (this.#handle === null || this.#ending) return;
    let from = start;
    if (this.#takesAtOnce && this.#corked === null) {
      const sent = send(this.#systemFd!, bytes, start, end);
      if (sent > 0) from += sent;
    }
    for (; end - from > LENT_BYTES; from += LENT_BYTES) this.#writeLent(bytes, from, from + LENT_BYTES);
    // Little may wait for a slow reader in many pieces: of text Node keeps what is left, and no whole buffer.
    if (end - from > TEXT_BYTES) this.#writeLent(bytes, from, end);
    else if (end > from) this.write(bytes.latin1Slice(from, end));
  }

  #writeLent(bytes: Buffer, start: number, end: number): void {
    const handle = this.#handle;
    if (handle === null || this.#ending) return;
    if (this.#corked !== null) return this.write(Buffer.from(bytes.subarray(start, end)));
    const size = end - start;
    const lent = bufferPool.take();
    bytes.copy(lent, 0, start, end);
    const view = size === lent.length ? lent : lent.subarray(0, size);
    spare ??= newWrite();
    const status = handle.writeBuffer(spare, view);
    if (status === 0 && state.words[state.lastWriteWasAsync] !== 0) return this.#await(view, size, lent);
    bufferPool.release(lent);
    if (status !== 0) this.#failWrite(status, false);
  }

  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const chunks = this.#corked;
    this.#corked = null;
    const handle = this.#handle;
    if (chunks === null || chunks.length === 0 || handle === null) return;
    let size = 0;
    for (let at = 0; at < chunks.length; at += 2) size += chunks[at]!.length;
    spare ??= newWrite();
    const status = handle.writev(spare, chunks, false);
    if (status !== 0) this.#failWrite(status, false);
    else if (state.words[state.lastWriteWasAsync] !== 0) this.#await(chunks, size, null);
  }

  /** The write that was just made goes on by itself. */
  #await(data: unknown, size: number, lent: Buffer | null): void {
    const request = spare!;
    spare = null;
    request.owner = this;
    request.size = size;
    request.data = data;
    request.lent = lent;
    this.writableLength += size;
    if (this.writableLength >= HIGH_WATER_MARK) this.#needsDrain = true;
  }

  /** A write that had to wait is over. */
  written(size: number, status: number): void {
    this.writableLength -= size;
    if (this.#handle === null) return;
    if (status < 0) this.#failWrite(status, false);
    else if (this.writableLength === 0 && this.#needsDrain) {
      this.#needsDrain = false;
      this.#events.onDrain();
    }
  }

  // ---- ends ----

  end(done?: () => void): void {
    if (this.#corked !== null) this.uncork();
    const handle = this.#handle;
    if (handle === null) return;
    if (done !== undefined) {
      if (this.#finished) return done();
      this.#whenFinished = done;
    }
    if (this.#ending) return;
    this.#ending = true;
    const request = newShutdownRequest() as PendingWrite;
    request.owner = this;
    request.oncomplete = onShutdown;
    const status = handle.shutdown(request);
    if (status !== 0) this.finished(status);
  }

  /** Everything is out, FIN too. */
  finished(status: number): void {
    if (this.#handle === null) return;
    // The other side may have closed the connection meanwhile: there is nobody left to tell.
    if (status < 0 && getSystemErrorName(status) !== ENOTCONN) return this.#fail(status, 'shutdown');
    this.#finished = true;
    const done = this.#whenFinished;
    this.#whenFinished = null;
    if (done !== null) done();
    this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (this.#finished && (this.#readEnded || this.#closesSoon)) this.destroy();
  }

  destroySoon(): void {
    this.#closesSoon = true;
    if (this.#finished) this.destroy();
    else this.end();
  }

  destroy(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    this.#unwatch();
    handle.close(onClosed);
  }

  #unwatch(): void {
    if (this.#watched) threadSockets.readiness!.forget(this.#fd);
  }

  /** Closes with an RST, where the connection has such a thing. */
  resetAndDestroy(): void {
    const handle = this.#handle;
    if (handle === null) return;
    // While FIN waits behind what has not gone out, libuv resets nothing and would not close either.
    if (handle.reset === undefined || (this.#ending && !this.#finished)) return this.destroy();
    this.#handle = null;
    this.#unwatch();
    if (handle.reset(onClosed) !== 0) handle.close(onClosed);
  }

  #fail(status: number, syscall: string): void {
    if (this.#handle === null) return;
    this.#error = systemError(status, syscall);
    this.destroy();
  }

  /** @param whole no byte of what was to be written has been taken */
  #failWrite(status: number, whole: boolean): void {
    if (this.#handle === null || this.#error !== null) return;
    const reads = this.#events.onWriteFailed?.(whole) ?? false;
    if (!reads || this.#readEnded || (this.#systemFd !== null && !this.#watched)) return this.#fail(status, 'write');
    this.#error = systemError(status, 'write');
    this.#ending = true;
    setImmediate(() => this.#readRest());
  }

  /** What had come before the connection broke: then it closes. While it is not to be read, that waits for `resume`. */
  #readRest(): void {
    if (this.#systemFd !== null) return this.onReadable(true);
    // Behind the next look of libuv's at its connections.
    setImmediate(() => {
      if (!this.#paused) this.destroy();
    });
  }

  closed(): void {
    this.#events.onClose(this.#error);
  }
}

function systemError(status: number, syscall: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall });
}

function newWrite(): PendingWrite {
  const request = newWriteRequest() as PendingWrite;
  request.oncomplete = onWritten;
  return request;
}

// Called by Node's handles: without a closure for each connection.

function onRead(this: StreamHandle): undefined {
  (this as OwnedHandle).direct.read(state.words[state.readBytesOrError]!);
}

function onWritten(this: StreamRequest, status: number): void {
  const { owner, size, lent } = this as PendingWrite;
  if (lent !== null) bufferPool.release(lent);
  owner.written(size, status);
}

function onShutdown(this: StreamRequest, status: number): void {
  (this as PendingWrite).owner.finished(status);
}

function onClosed(this: StreamHandle): void {
  (this as OwnedHandle).direct.closed();
}
