import { Key } from '../keys/key.ts';
import { SharedChains } from '../sessions/table/shared-chains.ts';
import type { Turn } from './turn.ts';
import { Bell, bellOf, HOLDS, ring, type TurnsMemory, WAITS, WORKER, Word, whoIs } from './turns-memory.ts';

/** What became of a wish for the turn. */
export const Taken = {
  /** It has it. */
  now: 0,
  /** It waits: a callback comes later, never before `take` has returned. */
  waits: 1,
  /** Too many wait already. */
  full: 2,
} as const;

/** One of the values of Taken. */
export type Taken = (typeof Taken)[keyof typeof Taken];

const HINTS = 1_024;

/**
 * One request of a session at a time, in order of arrival over all workers: those of one worker are here, one object
 * for each worker thread.
 *
 * A request is a node at the end of its session's chain, and has the turn when it is the first there. Whoever has it
 * gives it to the next one by a store into that one's node *before* its own node is taken out: a thread that dies in
 * between leaves two, of which one is cleared away (see DeadTurns), never none. Then it rings the doorbell of the
 * worker that waits, which looks at its nodes. What is rung is only a hint, so nothing is lost that `tick` does not
 * find.
 *
 * Without others of its session a request costs an append and an unlink, each under one lock that nobody wants: no
 * promise, no message, no allocation.
 */
export class SessionTurns {
  readonly #chains: SharedChains;
  readonly #bells: Int32Array;
  readonly #who: number;
  readonly #bell: number;
  /** Who waits, by slot. */
  readonly #slots: (Turn | null)[] = [];
  readonly #freeSlots: number[] = [];
  #waiting = 0;
  #listening = false;
  /** Slots of this worker that were given the turn by this worker. */
  #ready: number[] = [];
  readonly #serve = () => this.#serveReady();
  /** Nodes whose chain was locked by a thread that had died: taken out a moment later. */
  #stuck: number[] = [];

  /** @param worker index of this worker, from 0 */
  constructor(memory: TurnsMemory, worker: number) {
    this.#chains = new SharedChains(memory.chains, worker + 2);
    this.#bells = new Int32Array(memory.bells);
    this.#who = whoIs(this.#bells, worker);
    this.#bell = bellOf(this.#who);
  }

  /** Requests of this worker that wait. While it is above 0, call `tick` every 100 ms or so. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Takes the turn of a session, or gets in line for it.
   * @param pool its index, for the metrics
   * @param max at most so many requests of the session may wait, over all workers
   * @param deadline see `Turn.deadline`
   * @returns one of Taken
   * @throws Error with code SESSION_TABLE_BUSY, as StripedLocks does; then it is not in line
   */
  take(turn: Turn, key: Key, pool: number, max: number, deadline: number): Taken {
    if (turn.node !== 0) throw new Error('the request has its turn, or waits for it, already');
    const chains = this.#chains;
    const chain = chains.of(key.a);
    chains.lock(chain);
    try {
      let ahead = 0;
      for (let node = chains.first(chain); node !== 0; node = chains.next(node)) if (this.#isOf(node, key)) ahead++;
      // The first of them does not wait.
      if (ahead > max) return Taken.full;
      const state = ahead === 0 ? HOLDS : WAITS;
      turn.node = chains.append(chain, this.#who | (pool << 16), state, 0, key.a, key.b, key.c, key.d);
      if (turn.node === 0) return Taken.full;
      if (ahead === 0) return Taken.now;
      turn.slot = this.#freeSlots.pop() ?? this.#slots.push(null) - 1;
      chains.set(turn.node, Word.slot, turn.slot);
    } finally {
      chains.unlock(chain);
    }
    turn.deadline = deadline;
    this.#slots[turn.slot] = turn;
    this.#waiting++;
    if (!this.#listening) void this.#listen();
    return Taken.waits;
  }

  /**
   * The request needs the turn no longer, or waits for it no longer: the next one of its session has it. Does nothing
   * when it does neither. Never throws.
   */
  leave(turn: Turn): void {
    const { node } = turn;
    if (node === 0) return;
    turn.node = 0;
    if (turn.slot >= 0) this.#vacate(turn);
    this.#remove(node);
  }

  /** Whether the request stands in the line of this session. */
  isOf({ node }: Turn, key: Key): boolean {
    return node !== 0 && this.#isOf(node, key);
  }

  /**
   * The session of a request that has the turn has another key from now on: who waits for it goes along, in the same
   * order, and those that come with the new key stand behind them. Does nothing when it has that key already, or no
   * turn.
   * @throws Error with code SESSION_TABLE_BUSY, as StripedLocks does; then nobody has gone
   */
  rename(turn: Turn, to: Key): void {
    const { node: first } = turn;
    if (first === 0 || this.#isOf(first, to)) return;
    const chains = this.#chains;
    // Only whoever has the turn renames: its key stays while the locks are waited for.
    const chain = chains.of(chains.get(first, Word.key));
    const other = chains.of(to.a);
    chains.lockTwo(chain, other);
    try {
      const [a, b, c, d] = [0, 1, 2, 3].map((n) => chains.get(first, Word.key + n)) as [number, number, number, number];
      const from = new Key();
      from.set(a, b, c, d);
      for (let node = chains.first(chain); node !== 0; ) {
        const next = chains.next(node);
        if (this.#isOf(node, from)) {
          chains.set(node, Word.key, to.a);
          chains.set(node, Word.key + 1, to.b);
          chains.set(node, Word.key + 2, to.c);
          chains.set(node, Word.key + 3, to.d);
          if (chain !== other) chains.transfer(chain, node, other);
        }
        node = next;
      }
    } finally {
      chains.unlockTwo(chain, other);
    }
  }

  /** Sends away who has waited until `now`, and finds what a thread that died could not tell. */
  tick(now: number): void {
    if (this.#stuck.length > 0) {
      const stuck = this.#stuck;
      this.#stuck = [];
      for (const node of stuck) this.#remove(node);
    }
    for (let slot = 0; this.#waiting > 0 && slot < this.#slots.length; slot++) {
      const turn = this.#slots[slot]!;
      if (turn === null) continue;
      if (this.#look(slot) || turn.deadline > now) continue;
      this.leave(turn);
      turn.taker.onTurnTimeout();
    }
  }

  #isOf(node: number, key: Key): boolean {
    const chains = this.#chains;
    return (
      chains.get(node, Word.key) === key.a &&
      chains.get(node, Word.key + 1) === key.b &&
      chains.get(node, Word.key + 2) === key.c &&
      chains.get(node, Word.key + 3) === key.d
    );
  }

  #isAlike(node: number, other: number): boolean {
    const chains = this.#chains;
    for (let n: number = Word.key; n < Word.key + 4; n++)
      if (chains.get(node, n) !== chains.get(other, n)) return false;
    return true;
  }

  #vacate(turn: Turn): void {
    this.#slots[turn.slot] = null;
    this.#freeSlots.push(turn.slot);
    turn.slot = -1;
    this.#waiting--;
  }

  /** Takes a node out; when it has the turn, the next one of its session gets it first. */
  #remove(node: number): void {
    const chains = this.#chains;
    let chain = 0;
    try {
      chain = this.#lockChainOf(node);
    } catch {
      this.#stuck.push(node);
      return;
    }
    let heir = 0;
    let who = 0;
    let slot = 0;
    try {
      if (chains.get(node, Word.state) === HOLDS) {
        heir = chains.first(chain);
        while (heir !== 0 && (heir === node || !this.#isAlike(heir, node))) heir = chains.next(heir);
        if (heir !== 0) {
          chains.set(heir, Word.state, HOLDS);
          who = chains.get(heir, Word.who);
          slot = chains.get(heir, Word.slot);
        }
      }
      chains.unlink(chain, node);
    } finally {
      chains.unlock(chain);
    }
    if (heir === 0) return;
    if ((who & WORKER) !== this.#who) ring(this.#bells, who, slot);
    // Not at once: whoever leaves is in the midst of ending its own request.
    else if (this.#ready.push(slot) === 1) queueMicrotask(this.#serve);
  }

  /** Its session may be renamed until the chain is locked. */
  #lockChainOf(node: number): number {
    const chains = this.#chains;
    for (;;) {
      const a = chains.get(node, Word.key);
      const chain = chains.of(a);
      chains.lock(chain);
      if (chains.get(node, Word.key) === a) return chain;
      chains.unlock(chain);
    }
  }

  #serveReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const slot of ready) this.#look(slot);
  }

  /** Calls back who waits in a slot, when it has its turn by now. */
  #look(slot: number): boolean {
    const turn = this.#slots[slot] ?? null;
    if (turn === null || this.#chains.get(turn.node, Word.state) !== HOLDS) return false;
    this.#vacate(turn);
    turn.taker.onTurn();
    return true;
  }

  #lookAtHints(): void {
    for (let word = 0; word < HINTS / 32; word++) {
      const at = this.#bell + Bell.hints + word;
      if (Atomics.load(this.#bells, at) === 0) continue;
      let hints = Atomics.exchange(this.#bells, at, 0);
      while (hints !== 0) {
        const bit = 31 - Math.clz32(hints);
        hints &= ~(1 << bit);
        for (let slot = word * 32 + bit; slot < this.#slots.length; slot += HINTS) this.#look(slot);
      }
    }
  }

  /**
   * Looks whenever another worker rings, for as long as requests of this one wait (see BackendQueue, which does the
   * same).
   */
  async #listen(): Promise<void> {
    const rings = this.#bell + Bell.rings;
    this.#listening = true;
    try {
      while (this.#waiting > 0) {
        // Awaited also when it has rung already: whoever takes a turn must not be called back before `take` has
        // returned.
        await Atomics.waitAsync(this.#bells, rings, 0).value;
        Atomics.store(this.#bells, rings, 0);
        this.#lookAtHints();
      }
    } finally {
      this.#listening = false;
    }
  }
}
