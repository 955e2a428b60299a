import { StripedLocks } from './locks.ts';

/**
 * The shared memory of SharedChains: what to hand to a worker thread. Structured-cloneable; the buffer is shared, not
 * copied.
 */
export interface SharedChainsMemory {
  readonly buffer: SharedArrayBuffer;
  /** Nodes that may be in chains at once. */
  readonly nodes: number;
  /** Chains, a power of two. */
  readonly chains: number;
  /** Locks of chains, a power of two; chain n is under lock n mod stripes. One more lock guards what is free. */
  readonly stripes: number;
}

/** Words of a node: the next one, and seven that are its user's. */
const NODE_WORDS = 8;
const MAX_STRIPES = 4096;
/** A cache line, in words. */
const LINE = 16;
/** Word indices stay below 2^31, where 32-bit arithmetic is exact. */
const MAX_WORDS = 2 ** 31;

/** Words of the head: nodes that were ever taken, the first free node, nodes in use. */
const TAKEN = 0;
const FREE = 1;
const USED = 2;

/**
 * Chains of small nodes in shared memory, found by a hash: a directory for what is short-lived and has an order, such
 * as the requests of a session or the sessions of a user. Every thread has a SharedChains of its own over the same
 * memory.
 *
 * A chain holds the nodes of all hashes that fall on it, in the order in which they were appended: whoever walks it
 * tells his own by their words. Nodes are named by numbers from 1; 0 is none. Everything but `of`, `used` and `get` is
 * done with the chain locked, and unlocked in a `finally`.
 *
 * A thread may be terminated at any moment: every chain is whole then, with a node or without it, and at worst one node
 * is lost for good. What it held is let go of by `releaseLocks`.
 */
export class SharedChains {
  readonly chains: number;
  readonly #words: Int32Array;
  readonly #locks: StripedLocks;
  readonly #stripes: number;
  readonly #nodes: number;
  readonly #heads: number;
  /** Where node 0 would be. */
  readonly #base: number;

  /**
   * Memory for `nodes` nodes: 32 bytes each, and 4 to 8 for its place in the directory. Pages that were never used cost
   * nothing yet.
   * @throws RangeError when it is not a whole number from 1, or too large for one buffer
   */
  static allocate(nodes: number): SharedChainsMemory {
    if (!Number.isInteger(nodes) || nodes < 1) throw new RangeError(`${nodes} nodes: give a whole number from 1`);
    let chains = 2;
    while (chains < nodes) chains *= 2;
    const stripes = Math.min(chains, MAX_STRIPES);
    const words = nodesAt(chains, stripes) + (nodes + 1) * NODE_WORDS;
    if (words > MAX_WORDS) throw new RangeError(`${nodes} nodes do not fit into one buffer`);
    return { buffer: new SharedArrayBuffer(words * 4), nodes, chains, stripes };
  }

  /** @param owner id of this thread, see StripedLocks: 1 the supervisor, 2 and up the workers */
  constructor({ buffer, nodes, chains, stripes }: SharedChainsMemory, owner: number) {
    this.chains = chains;
    this.#words = new Int32Array(buffer);
    this.#nodes = nodes;
    this.#stripes = stripes;
    this.#locks = new StripedLocks(this.#words, LINE, stripes + 1, owner);
    this.#heads = headsAt(stripes);
    this.#base = nodesAt(chains, stripes);
  }

  /** Nodes in use, those that were lost with a thread among them. */
  get used(): number {
    return Atomics.load(this.#words, USED);
  }

  /** The chain of a hash: 32 bits, the lower ones well mixed. */
  of(hash: number): number {
    return hash & (this.chains - 1);
  }

  /** Throws as StripedLocks does; then it is not held. */
  lock(chain: number): void {
    this.#locks.lock(chain & (this.#stripes - 1));
  }

  unlock(chain: number): void {
    this.#locks.unlock(chain & (this.#stripes - 1));
  }

  /** Locks two chains, or the one when they are the same. Throws as StripedLocks does; then neither is held. */
  lockTwo(chain: number, other: number): void {
    this.#locks.lockTwo(chain & (this.#stripes - 1), other & (this.#stripes - 1));
  }

  unlockTwo(chain: number, other: number): void {
    this.#locks.unlockTwo(chain & (this.#stripes - 1), other & (this.#stripes - 1));
  }

  /** The first node of a chain, 0 when it is empty. */
  first(chain: number): number {
    return this.#words[this.#heads + chain]!;
  }

  /** The node behind this one, 0 when it is the last. To be asked before this one is unlinked. */
  next(node: number): number {
    return this.#words[this.#base + node * NODE_WORDS]!;
  }

  /** Word `n` of a node, 0 to 6. Atomic: of a node of one's own it may be asked without the lock. */
  get(node: number, n: number): number {
    return Atomics.load(this.#words, this.#base + node * NODE_WORDS + 1 + n);
  }

  /** Sets word `n` of a node, 0 to 6. */
  set(node: number, n: number, value: number): void {
    Atomics.store(this.#words, this.#base + node * NODE_WORDS + 1 + n, value);
  }

  /**
   * Adds a node with these words at the end of a chain.
   * @returns its number, or 0: all nodes are in use
   */
  append(chain: number, a: number, b: number, c: number, d: number, e: number, f: number, g: number): number {
    const node = this.#take();
    if (node === 0) return 0;
    const words = this.#words;
    const at = this.#base + node * NODE_WORDS;
    words[at] = 0;
    words[at + 1] = a;
    words[at + 2] = b;
    words[at + 3] = c;
    words[at + 4] = d;
    words[at + 5] = e;
    words[at + 6] = f;
    words[at + 7] = g;
    this.#link(chain, node);
    return node;
  }

  /** Takes a node out of its chain, and frees it. False: it is not in this chain. */
  unlink(chain: number, node: number): boolean {
    if (!this.#cut(chain, node)) return false;
    this.#give(node);
    return true;
  }

  /**
   * Takes a node from one chain to the end of another; both are locked, with `lockTwo`. False: it is not in the first.
   */
  transfer(from: number, node: number, to: number): boolean {
    if (!this.#cut(from, node)) return false;
    this.#words[this.#base + node * NODE_WORDS] = 0;
    this.#link(to, node);
    return true;
  }

  /**
   * Lets go of every lock that a thread held when it ended. To be called when that thread certainly runs no more.
   * Answers how many there were.
   */
  releaseLocks(owner: number): number {
    return this.#locks.releaseAll(owner);
  }

  /** The one store that makes a node, all written by now, part of a chain. */
  #link(chain: number, node: number): void {
    const words = this.#words;
    let at = this.#heads + chain;
    for (let next = words[at]!; next !== 0; next = words[at]!) at = this.#base + next * NODE_WORDS;
    Atomics.store(words, at, node);
  }

  /** The one store after which a node is no part of a chain. */
  #cut(chain: number, node: number): boolean {
    const words = this.#words;
    let at = this.#heads + chain;
    for (let next = words[at]!; next !== 0; next = words[at]!) {
      if (next === node) {
        Atomics.store(words, at, words[this.#base + node * NODE_WORDS]!);
        return true;
      }
      at = this.#base + next * NODE_WORDS;
    }
    return false;
  }

  /** A node that is free, or one that nobody ever had; 0: there is none. */
  #take(): number {
    const words = this.#words;
    // The last lock of all, and none is taken after it: so a thread that holds a chain's lock never waits in a circle.
    this.#locks.lock(this.#stripes);
    try {
      let node = words[FREE]!;
      if (node !== 0) Atomics.store(words, FREE, words[this.#base + node * NODE_WORDS]!);
      else {
        node = words[TAKEN]! + 1;
        if (node > this.#nodes) return 0;
        Atomics.store(words, TAKEN, node);
      }
      Atomics.add(words, USED, 1);
      return node;
    } finally {
      this.#locks.unlock(this.#stripes);
    }
  }

  #give(node: number): void {
    const words = this.#words;
    this.#locks.lock(this.#stripes);
    try {
      words[this.#base + node * NODE_WORDS] = words[FREE]!;
      Atomics.store(words, FREE, node);
      Atomics.sub(words, USED, 1);
    } finally {
      this.#locks.unlock(this.#stripes);
    }
  }
}

function headsAt(stripes: number): number {
  return align(LINE + stripes + 1);
}

function nodesAt(chains: number, stripes: number): number {
  return align(headsAt(stripes) + chains);
}

function align(words: number): number {
  return Math.ceil(words / LINE) * LINE;
}
