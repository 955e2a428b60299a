/**
 * What a session is bound to besides its backend, as one word, u32: a hash of it, and in its lowest bits which things
 * they are. 0: nothing. Two words that are about different things say nothing of each other: after a change of what the
 * sessions of a pool must keep, each is bound anew.
 */
export const BOUND_TO = { ip: 1, 'user-agent': 2, tls: 4 } as const;
const KINDS = BOUND_TO.ip | BOUND_TO['user-agent'] | BOUND_TO.tls;

/** A word of a hash, 32 bits, and of BOUND_TO; never 0. */
export function bindingWord(hash: number, kinds: number): number {
  return ((hash & ~KINDS) | kinds) >>> 0;
}

/** Whether a session with this word is bound to another client than one with that word. */
export function isBoundElsewhere(session: number, client: number): boolean {
  return session !== 0 && session !== client && ((session ^ client) & KINDS) === 0;
}
