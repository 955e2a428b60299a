import { incoming, outgoing, TRANSFER_BYTES } from '../bytes/memory.ts';
import { Call, systemCalls } from './system-calls.ts';

const { syscall, errno } = systemCalls ?? { syscall: () => -1, errno: new Int32Array(1) };
const incomingAt = systemCalls?.address(incoming) ?? 0n;
const outgoingAt = systemCalls?.address(outgoing) ?? 0n;
const TRANSFER_SIZE = BigInt(TRANSFER_BYTES);

/** Reads into `incoming` what has come. Returns its size in bytes; 0: FIN; below 0: a negative errno. */
export function receive(fd: bigint): number {
  const size = syscall(Call.read, fd, incomingAt, TRANSFER_SIZE);
  return size < 0 ? -errno[0]! : size;
}

/** Offers the first `size` bytes of `outgoing` to the system. Returns how many it has taken; -1: none, and whoever tries again is told why. */
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
