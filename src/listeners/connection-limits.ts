import type { ConnectionAllowance } from './connection-allowance.ts';

/** Cells of the table of connections by address; a power of two. Two addresses that share a cell share its limit. */
const ADDRESS_CELLS = 65_536;

/** Shared memory of ConnectionLimits: structured-cloneable. */
export interface ConnectionLimitsMemory {
  readonly buffer: SharedArrayBuffer;
  readonly workers: number;
  readonly listeners: number;
  /** Room for counts by address: only when some listener has connectionsPerIp. */
  readonly addresses: boolean;
  readonly allowance: ConnectionAllowance;
}

/**
 * How many connections there are at each listener and from each address, over all workers: one cell for each, so that a
 * new connection costs the same with any number of workers. Each worker has cells of its own beside them, so that those
 * of one that died can be taken away.
 */
export class ConnectionLimits {
  readonly #memory: ConnectionLimitsMemory;
  readonly #cells: Int32Array;
  /**
   * Cells of a row: of all listeners together, of each listener, and of each address. The first row is that of all
   * workers together.
   */
  readonly #row: number;
  readonly #own: number;

  static allocate(
    workers: number,
    listeners: number,
    addresses: boolean,
    allowance: ConnectionAllowance,
  ): ConnectionLimitsMemory {
    const row = 1 + listeners + (addresses ? listeners * ADDRESS_CELLS : 0);
    return { buffer: new SharedArrayBuffer((1 + workers) * row * 4), workers, listeners, addresses, allowance };
  }

  constructor(memory: ConnectionLimitsMemory, worker: number) {
    this.#memory = memory;
    this.#cells = new Int32Array(memory.buffer);
    this.#row = this.#cells.length / (1 + memory.workers);
    this.#own = (1 + worker) * this.#row;
  }

  /** Connections that may wait at each listener of this worker. */
  get waiting(): number {
    return this.#memory.allowance.waiting;
  }

  /** There is no other worker. */
  get alone(): boolean {
    return this.#memory.workers === 1;
  }

  /** Whether there are as many connections at all listeners as the limit on open files allows. */
  get exhausted(): boolean {
    return Atomics.load(this.#cells, 0) >= this.#memory.allowance.connections;
  }

  /** Connections at a listener, over all workers. */
  connections(listener: number): number {
    return Atomics.load(this.#cells, 1 + listener);
  }

  /** Connections of an address at a listener, over all workers. */
  connectionsOf(listener: number, address: string): number {
    return Atomics.load(this.#cells, this.#addressCell(listener, address));
  }

  /**
   * Counts a connection, unless there are `most` at the listener: whatever other workers do at the same time, never
   * more.
   */
  enter(listener: number, address: string, most: number): boolean {
    this.opened(listener, address);
    if (this.connections(listener) <= most) return true;
    this.closed(listener, address);
    return false;
  }

  opened(listener: number, address: string): void {
    this.#add(listener, address, 1);
  }

  closed(listener: number, address: string): void {
    this.#add(listener, address, -1);
  }

  /**
   * A worker died, and its connections with it. One that it was just counting may stay counted, or be taken away twice.
   */
  clearWorker(worker: number): void {
    const cells = this.#cells;
    const from = (1 + worker) * this.#row;
    for (let at = 0; at < this.#row; at++) {
      const count = cells[from + at]!;
      if (count === 0) continue;
      cells[from + at] = 0;
      Atomics.sub(cells, at, count);
    }
  }

  #add(listener: number, address: string, by: number): void {
    this.#count(0, by);
    this.#count(1 + listener, by);
    if (this.#memory.addresses) this.#count(this.#addressCell(listener, address), by);
  }

  #count(cell: number, by: number): void {
    this.#cells[this.#own + cell]! += by;
    Atomics.add(this.#cells, cell, by);
  }

  #addressCell(listener: number, address: string): number {
    // FNV-1a: addresses are short, and whoever can choose among many of them is not held by a limit per address anyway.
    let hash = 0x811c9dc5;
    for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
    return 1 + this.#memory.listeners + listener * ADDRESS_CELLS + ((hash ^ (hash >>> 16)) & (ADDRESS_CELLS - 1));
  }
}
