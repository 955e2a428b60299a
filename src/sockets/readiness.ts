import { backlog } from '../timing/backlog.ts';
import { systemCalls } from './system-calls.ts';

/** A connection that is read when the system says that something has come. */
export interface Watched {
  /** Given by `watch`. */
  watchId: number;
  /** It is told before others of the same turn: what ends connections to backends before the requests that would go out on them. */
  readonly first: boolean;
  /** There may be something to read. @param closing the other side has ended or broken off: there is more behind what one read brings @param broken it has broken off */
  onReadable(closing: boolean, broken: boolean): void;
}

/** How a thread learns which of its connections can be read (epoll(7), edge-triggered). */
export interface Readiness {
  /** False: the system has no more room for it (`fs.epoll.max_user_watches`, memory). */
  watch(fd: number, socket: Watched): boolean;
  /** Has what is there to be read told once more. False: it cannot be. */
  tellAgain(fd: number, socket: Watched): boolean;
  /** To be called before the connection closes, which ends its part in epoll by itself. */
  forget(fd: number): void;
}

const EPOLLIN = 0x1;
const EPOLLERR = 0x8;
const EPOLLHUP = 0x10;
const EPOLLRDHUP = 0x2000;
const EPOLLET = 0x8000_0000;
const CLOSING = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const WATCHED = (EPOLLIN | EPOLLRDHUP | EPOLLET) >>> 0;
const CLOEXEC = 0x8_0000n;
const ADD = 1n;
const MODIFY = 3n;
/** So many events are taken at once, and so often in one turn of Node's event loop: then it is the turn of its timers and handles. */
const EVENTS = 128;
const ROUNDS = 4;
const MOST = BigInt(EVENTS);
/** `struct epoll_event` is packed on x64 only. In 32-bit words: its size, and where its 64 bits of data begin. */
const WORDS = process.arch === 'x64' ? 3 : 4;
const DATA = process.arch === 'x64' ? 1 : 2;

interface UdpHandle {
  readonly fd: number;
  onmessage: () => void;
  bind(address: string, port: number, flags: number): number;
  recvStart(): number;
  ref(): void;
  unref(): void;
  close(): void;
}

/** Null where system calls cannot be made so. */
export const readiness: Readiness | null = make();

/**
 * Node's loop has no handle for a descriptor that is not its own. Of its handles a UDP socket is the one that takes an error of its
 * descriptor for an event like any other, so its descriptor is replaced: by an epoll of our own, which can be "read" when one of our
 * connections can. Node closes it at the end of the thread, however that comes.
 */
function make(): Readiness | null {
  if (systemCalls === null) return null;
  const { epollControl, epollWait, address } = systemCalls;
  let handle: UdpHandle;
  try {
    const binding = (process as unknown as { binding(name: string): { UDP: new () => UdpHandle } }).binding('udp_wrap');
    handle = new binding.UDP();
  } catch {
    return null;
  }
  const made = systemCalls.epollCreate(CLOEXEC);
  const bound = handle.bind('127.0.0.1', 0, 0) === 0 && handle.fd >= 0;
  const replaced =
    made >= 0 && bound && handle.recvStart() === 0 && systemCalls.dup3(BigInt(made), BigInt(handle.fd), CLOEXEC) >= 0;
  if (made >= 0) systemCalls.close(BigInt(made));
  if (!replaced) {
    handle.close();
    return null;
  }
  handle.unref();

  const epoll = BigInt(handle.fd);
  const events = new Uint32Array(EVENTS * WORDS);
  const eventsAt = address(events);
  const wanted = new Uint32Array(32);
  const wantedAt = address(wanted);
  const watched: (Watched | undefined)[] = [];
  let count = 0;
  let lastId = 0;

  const control = (operation: bigint, fd: number, id: number): boolean => {
    wanted[0] = WATCHED;
    wanted[DATA] = fd;
    wanted[DATA + 1] = id;
    return epollControl(epoll, operation, BigInt(fd), wantedAt) === 0;
  };

  const tell = (at: number): void => {
    const socket = watched[events[at + DATA]!];
    // A descriptor that was closed by one of the events before it, and may be another connection's by now.
    if (socket === undefined || socket.watchId !== events[at + DATA + 1]!) return;
    try {
      const event = events[at]!;
      socket.onReadable((event & CLOSING) !== 0, (event & EPOLLERR) !== 0);
    } catch (error) {
      // The others' events are told only once.
      process.nextTick(rethrow, error);
    }
  };

  handle.onmessage = () => {
    // What has come meanwhile costs one system call here, and a turn of Node's loop otherwise.
    for (let round = 0; round < ROUNDS; round++) {
      const ready = epollWait(epoll, eventsAt, MOST, 0n);
      // Fewer than there is room for: those are all.
      backlog.left = ready === EVENTS;
      if (ready <= 0) return;
      if (ready === 1) tell(0);
      else {
        for (let at = 0; at < ready * WORDS; at += WORDS) if (watched[events[at + DATA]!]?.first === true) tell(at);
        for (let at = 0; at < ready * WORDS; at += WORDS) if (watched[events[at + DATA]!]?.first === false) tell(at);
      }
    }
  };

  return {
    watch(fd, socket) {
      lastId = (lastId + 1) >>> 0;
      socket.watchId = lastId;
      if (!control(ADD, fd, lastId)) return false;
      watched[fd] = socket;
      if (count++ === 0) handle.ref();
      return true;
    },
    tellAgain(fd, socket) {
      return control(MODIFY, fd, socket.watchId);
    },
    forget(fd) {
      if (watched[fd] === undefined) return;
      watched[fd] = undefined;
      if (--count === 0) handle.unref();
    },
  };
}

function rethrow(error: unknown): never {
  throw error;
}
