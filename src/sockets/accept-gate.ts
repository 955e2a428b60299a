import type { Server } from 'node:net';
import { Call } from './system-calls.ts';
import { threadSockets } from './thread-sockets.ts';

/** Node's handle of a listening socket. */
interface ListenHandle {
  readonly fd?: number;
  readonly constructor: new (type: number) => ListenHandle;
  open(fd: number): number;
  close(): void;
}

interface WithHandle {
  readonly _handle: ListenHandle | null;
}

const DUPLICATE = 1_030n;
/** Of TCP and Pipe handles alike. */
const SERVER = 1;
const BACKLOG = 4_096;

/**
 * Lets a server stop accepting for a while: who connects meanwhile waits in the system's queue. Node can only close its
 * socket, which resets those who wait there; so another descriptor of the same socket is kept, and listened on again.
 * It is held by a handle of Node's own, as whatever a thread has open has to close when the thread ends, however that
 * comes.
 */
export class AcceptGate {
  readonly #server: Server;
  readonly #opened: () => void;
  #held: ListenHandle | null = null;

  /** @param opened called whenever the server listens again, before it accepts anything */
  constructor(server: Server, opened: () => void) {
    this.#server = server;
    this.#opened = opened;
  }

  get paused(): boolean {
    return this.#held !== null;
  }

  /** False: it cannot be done here, and the server goes on. */
  pause(): boolean {
    if (this.#held !== null) return true;
    const handle = (this.#server as unknown as WithHandle)._handle;
    const held = handle === null ? null : another(handle);
    if (held === null) return false;
    this.#held = held;
    this.#server.close();
    return true;
  }

  resume(): void {
    const held = this.#held;
    if (held === null) return;
    const fd = duplicate(held);
    // No descriptor is left: later.
    if (fd < 0) return;
    this.#held = null;
    this.#server.listen({ fd, backlog: BACKLOG } as never);
    held.close();
    this.#opened();
  }

  /** For good. */
  close(): void {
    const held = this.#held;
    this.#held = null;
    if (held === null) this.#server.close();
    else held.close();
  }
}

/** A handle of the same socket, which does nothing; null: there is none to be had. */
function another(handle: ListenHandle): ListenHandle | null {
  const fd = duplicate(handle);
  if (fd < 0) return null;
  const held = new handle.constructor(SERVER);
  if (held.open(fd) === 0) return held;
  threadSockets.systemCalls!.close(BigInt(fd));
  return null;
}

function duplicate({ fd = -1 }: ListenHandle): number {
  const { systemCalls } = threadSockets;
  if (systemCalls === null || fd < 0) return -1;
  return systemCalls.syscall(Call.fcntl, BigInt(fd), DUPLICATE, 0n);
}
