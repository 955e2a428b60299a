import { randomFillSync } from 'node:crypto';

const FIN_CLOSE = 0x88;
const MASK = 0x80;

/** Why limpet closes a WebSocket: the status code of the Close frame (RFC 6455 7.4.1) and its reason as text. */
export const CloseReason = {
  /** "An endpoint is going away, such as a server going down." */
  goingAway: payload(1001, 'going away'),
  /** "Terminating the connection because it has received a message that violates its policy": its session is over. */
  sessionEnded: payload(1008, 'session ended'),
} as const;
/** One of the values of CloseReason: the payload of a Close frame. */
export type CloseReason = Buffer;

/** Close frame for a client, as latin1 text: frames of servers are not masked (RFC 6455 5.1). */
export function closeToClient(reason: CloseReason): string {
  return Buffer.concat([Buffer.of(FIN_CLOSE, reason.length), reason]).latin1Slice();
}

/**
 * The same for a backend, to which limpet is a client: masked with a fresh key that nobody can foresee (RFC 6455 5.3).
 */
export function closeToBackend(reason: CloseReason): Buffer {
  const frame = Buffer.alloc(6 + reason.length);
  frame[0] = FIN_CLOSE;
  frame[1] = MASK | reason.length;
  const key = randomFillSync(frame.subarray(2, 6));
  for (let i = 0; i < reason.length; i++) frame[6 + i] = reason[i]! ^ key[i & 3]!;
  return frame;
}

function payload(code: number, reason: string): CloseReason {
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason, 'latin1')]);
}
