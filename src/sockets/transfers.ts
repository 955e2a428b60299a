import { incoming, outgoing, TRANSFER_BYTES } from '../bytes/memory.ts';
import { Call, type SystemCalls } from './system-calls.ts';

// Set once before the first connection: see `useForTransfers`.
let syscall: SystemCalls['syscall'] = () => -1;
let errno: Int32Array = new Int32Array(1);
let incomingAt = 0n;
let outgoingAt = 0n;
const TRANSFER_SIZE = BigInt(TRANSFER_BYTES);

/** Moves bytes by these calls from here on, in this thread. */
export function useForTransfers(calls: SystemCalls): void {
  ({ syscall, errno } = calls);
  incomingAt = calls.address(incoming);
  outgoingAt = calls.address(outgoing);
}

/** Reads into `incoming` what has come. Returns its size in bytes; 0: FIN; below 0: a negative errno. */
export function receive(fd: bigint): number {
  const size = syscall(Call.read, fd, incomingAt, TRANSFER_SIZE);
  return size < 0 ? -errno[0]! : size;
}

/**
 * Offers the first `size` bytes of `outgoing` to the system. Returns how many it has taken; -1: none, and whoever tries
 * again is told why.
 */
function sendOutgoing(fd: bigint, size: number): number {
  return syscall(Call.write, fd, outgoingAt, BigInt(size));
}

/** The same of bytes[start, end). */
export function send(fd: bigint, bytes: Buffer, start: number, end: number): number {
  if (bytes === incoming) {
    return syscall(Call.write, fd, start === 0 ? incomingAt : incomingAt + BigInt(start), BigInt(end - start));
  }
  const size = Math.min(end - start, TRANSFER_BYTES);
  bytes.copy(outgoing, 0, start, start + size);
  return sendOutgoing(fd, size);
}

/** The same of text in latin1, of which it takes as much as `outgoing` has room for. */
export function sendText(fd: bigint, text: string): number {
  return sendOutgoing(fd, outgoing.latin1Write(text, 0, Math.min(text.length, TRANSFER_BYTES)));
}
