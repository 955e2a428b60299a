import { backlog } from '../timing/backlog.ts';
import { LostWakeups } from './lost-wakeups.ts';
import type { SystemCalls } from './system-calls.ts';
import type { Watched } from './watched.ts';

/** How a thread learns which of its connections can be read (epoll(7), edge-triggered). */
export interface Readiness {
  /** False: the system has no more room for it (`fs.epoll.max_user_watches`, memory), or this is closed. */
  watch(fd: number, socket: Watched): boolean;
  /** Has what is there to be read told once more. False: it cannot be. */
  tellAgain(fd: number, socket: Watched): boolean;
  /** To be called before the connection closes, which ends its part in epoll by itself. */
  forget(fd: number): void;
  /** To be called on each tick of the wheel: finds what should have been told and was not (LostWakeups). */
  tick(): void;
  /** Called for each wake-up that was lost, once its connection has been told. */
  onLost: () => void;
  /** Watches nothing from here on. */
  close(): void;
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
/**
 * So many events are taken at once, and so often in one turn of Node's event loop: then it is the turn of its timers
 * and handles.
 */
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

/**
 * Opens an epoll for this thread's connections, which Node's event loop looks at. Null: it cannot be had.
 *
 * Node's loop has no handle for a descriptor that is not its own. Of its handles a UDP socket is the one that takes an
 * error of its descriptor for an event like any other, so its descriptor is replaced: by an epoll of our own, which can
 * be "read" when one of our connections can. Node closes it at the end of the thread, however that comes.
 */
export function openReadiness(systemCalls: SystemCalls): Readiness | null {
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
  let closed = false;

  const control = (operation: bigint, fd: number, id: number): boolean => {
    wanted[0] = WATCHED;
    wanted[DATA] = fd;
    wanted[DATA + 1] = id;
    return epollControl(epoll, operation, BigInt(fd), wantedAt) === 0;
  };

  const tell = (at: number): void => {
    const fd = events[at + DATA]!;
    const socket = watched[fd];
    // A descriptor that was closed by one of the events before it, and may be another connection's by now.
    if (socket === undefined || socket.watchId !== events[at + DATA + 1]!) return;
    if (lost.suspects !== null) lost.suspects.delete(fd);
    const event = events[at]!;
    tellSocket(socket, (event & CLOSING) !== 0, (event & EPOLLERR) !== 0);
  };

  const serve = (): void => {
    lost.looks++;
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
  const lost = new LostWakeups({ systemCalls, epoll: handle.fd, watched, serve, tell: tellSocket });
  handle.onmessage = serve;

  return {
    watch(fd, socket) {
      if (closed) return false;
      lastId = (lastId + 1) >>> 0;
      socket.watchId = lastId;
      if (!control(ADD, fd, lastId)) return false;
      watched[fd] = socket;
      if (count++ === 0) handle.ref();
      return true;
    },
    tellAgain(fd, socket) {
      return !closed && control(MODIFY, fd, socket.watchId);
    },
    forget(fd) {
      if (watched[fd] === undefined) return;
      watched[fd] = undefined;
      if (--count === 0 && !closed) handle.unref();
    },
    tick() {
      if (!closed) lost.look();
    },
    get onLost() {
      return lost.onLost;
    },
    set onLost(onLost) {
      lost.onLost = onLost;
    },
    close() {
      if (closed) return;
      closed = true;
      handle.close();
    },
  };
}

/** Tells one connection, whatever its owner does about it: the events of the others are told only once. */
function tellSocket(socket: Watched, closing: boolean, broken: boolean): void {
  try {
    socket.onReadable(closing, broken);
  } catch (error) {
    process.nextTick(rethrow, error);
  }
}

function rethrow(error: unknown): never {
  throw error;
}
