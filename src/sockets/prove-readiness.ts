import type { Readiness } from './readiness.ts';
import { Call, type SystemCalls } from './system-calls.ts';
import { receive } from './transfers.ts';
import type { Watched } from './watched.ts';

/** So large that V8 keeps it outside of its heap, where the system is told that it lies. */
const WORDS = 32;
/** Punctual time of this thread's event loop within which each event has to come, ms. */
const PATIENCE_MS = 500;
/** All in all, ms, however late the loop is. */
const MOST_MS = 5_000;
/** Turns of the loop that there have to be all the same: a process that stood still has had none. */
const LEAST_TURNS = 10;
const LOOK_MS = 25;
/** A look that comes so late was the loop's fault. */
const LATE_MS = 2 * LOOK_MS;
const AF_UNIX = 1n;
const STREAM = 0x1n | 0x800n | 0x8_0000n;

/**
 * Proves that events arrive (behaviour 76): a byte goes through two connected sockets, is told, told once more when
 * that is asked for, and read; then the end of the connection is told.
 * @returns why it cannot be relied on; null: it works
 */
export async function proveReadiness(calls: SystemCalls, readiness: Readiness): Promise<string | null> {
  const fds = new Int32Array(WORDS);
  if (calls.socketPair(AF_UNIX, STREAM, 0n, calls.address(fds)) !== 0)
    return 'no pair of connected sockets could be made';
  const [near = 0, far = 0] = fds;
  const { promise, resolve } = Promise.withResolvers<string | null>();
  let step = 0;
  let farIsOpen = true;
  const closeFar = (): void => {
    if (farIsOpen) calls.close(BigInt(far));
    farIsOpen = false;
  };
  const socket: Watched = {
    watchId: 0,
    first: false,
    reads: true,
    onReadable() {
      if (step === 0) {
        step = 1;
        if (!readiness.tellAgain(near, socket)) resolve('epoll does not take a change');
      } else if (step === 1) {
        if (receive(BigInt(near)) !== 1) return resolve('a byte that was announced could not be read');
        step = 2;
        closeFar();
      } else resolve(receive(BigInt(near)) === 0 ? null : 'the end of a connection could not be read');
    },
  };
  if (!readiness.watch(near, socket)) resolve('epoll takes no connection');
  else {
    const byte = new Uint8Array(4 * WORDS);
    if (calls.syscall(Call.write, BigInt(far), calls.address(byte), 1n) !== 1) resolve('a byte could not be written');
  }
  const stopWaiting = failAfter(PATIENCE_MS, () => {
    const what = ['a byte', 'a byte for the second time', 'the end of a connection'][step]!;
    resolve(`the event of ${what} did not arrive within ${PATIENCE_MS} ms`);
  });
  const why = await promise;
  stopWaiting();
  readiness.forget(near);
  calls.close(BigInt(near));
  closeFar();
  return why;
}

/** Calls `fail` after `ms` in which the event loop was punctual. @returns ends the wait */
function failAfter(ms: number, fail: () => void): () => void {
  const began = performance.now();
  let last = began;
  let punctual = 0;
  let turns = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last < LATE_MS) punctual += now - last;
    last = now;
    turns++;
    if (punctual >= ms || (now - began >= MOST_MS && turns >= LEAST_TURNS)) fail();
  }, LOOK_MS);
  return () => clearInterval(timer);
}
