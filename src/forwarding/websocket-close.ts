import { getRandomValues } from 'node:crypto';

const FIN_CLOSE = 0x88;
const MASK = 0x80;
/** Status code 1001, "an endpoint is going away, such as a server going down" (RFC 6455 7.4.1), and the reason as text. */
const PAYLOAD = Buffer.from('\x03\xe9going away', 'latin1');

/** Close frame with code 1001 for a client, as latin1 text: frames of servers are not masked (RFC 6455 5.1). */
export const CLOSE_TO_CLIENT = Buffer.concat([Buffer.of(FIN_CLOSE, PAYLOAD.length), PAYLOAD]).latin1Slice();

/** The same for a backend, to which limpet is a client: masked with a fresh key that nobody can foresee (RFC 6455 5.3). */
export function closeToBackend(): Buffer {
  const frame = Buffer.alloc(6 + PAYLOAD.length);
  frame[0] = FIN_CLOSE;
  frame[1] = MASK | PAYLOAD.length;
  const key = getRandomValues(frame.subarray(2, 6));
  for (let i = 0; i < PAYLOAD.length; i++) frame[6 + i] = PAYLOAD[i]! ^ key[i & 3]!;
  return frame;
}
