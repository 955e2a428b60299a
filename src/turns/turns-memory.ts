import { SharedChains, type SharedChainsMemory } from '../sessions/table/shared-chains.ts';

/**
 * The shared memory of the turns that requests of a session take: what to hand to a worker thread.
 * Structured-cloneable; the buffers are shared, not copied.
 */
export interface TurnsMemory {
  /** A node for each request that has its session's turn or waits for it, in order of arrival. */
  readonly chains: SharedChainsMemory;
  /** A doorbell for each worker, see `Bell`. */
  readonly bells: SharedArrayBuffer;
}

/**
 * Requests of sessions that take turns, under way or waiting, over all workers: 32 bytes each, and nothing before they
 * are there.
 */
const NODES = 131_072;

/** Words of a node, see SharedChains. */
export const Word = {
  /**
   * Who waits: bits 0 to 11 the owner id of the worker, 12 to 15 its life (see `Bell.life`), 16 to 31 the index of the
   * pool.
   */
  who: 0,
  /** WAITS or HOLDS. */
  state: 1,
  /** Its place among the waiting requests of its worker. */
  slot: 2,
  /** Four words: the key of the session. */
  key: 3,
} as const;

export const WAITS = 0;
/** It has the turn. The first node of a key does, once whoever had it before is gone. */
export const HOLDS = 1;

/** Bits of `Word.who` that name a worker in one of its lives. */
export const WORKER = 0xffff;

/** Words of a worker's doorbell. */
export const Bell = {
  /** 1: look at the hints. The word that the worker sleeps on. */
  rings: 0,
  /** 32 words, a bit for each slot modulo 1,024: this one may have its turn by now. */
  hints: 1,
  /**
   * How often a worker with this index has died, modulo 16: what a dead one left is told from what its successor does.
   */
  life: 40,
  /** Words between the doorbells of two workers: two pairs of cache lines. */
  apart: 64,
} as const;

/** Memory for so many workers; nobody holds a turn. */
export function allocateTurns(workers: number, nodes = NODES): TurnsMemory {
  return { chains: SharedChains.allocate(nodes), bells: new SharedArrayBuffer(workers * Bell.apart * 4) };
}

/**
 * Tells the worker that `who` names that its request in a slot may have its turn. A hint: whoever gets it looks for
 * himself.
 */
export function ring(bells: Int32Array, who: number, slot: number): void {
  const bell = bellOf(who);
  Atomics.or(bells, bell + Bell.hints + ((slot >>> 5) & 31), 1 << (slot & 31));
  Atomics.store(bells, bell + Bell.rings, 1);
  Atomics.notify(bells, bell + Bell.rings);
}

/** First word of the doorbell of the worker that `who` names. */
export function bellOf(who: number): number {
  // Owner 1 is the supervisor, worker 0 is owner 2.
  return ((who & 0xfff) - 2) * Bell.apart;
}

/** What names a worker in the life that it is in now, for `Word.who`. */
export function whoIs(bells: Int32Array, worker: number): number {
  return (worker + 2) | ((Atomics.load(bells, worker * Bell.apart + Bell.life) & 15) << 12);
}
