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
 * How many connections there are at each listener and from each address, over all workers. Each worker writes its own cells,
 * so the cells of one that died can be cleared; a sum over the workers is the count.
 */
export class ConnectionLimits {
  readonly #memory: ConnectionLimitsMemory;
  readonly #cells: Int32Array;
  readonly #row: number;
  readonly #worker: number;

  static allocate(
    workers: number,
    listeners: number,
    addresses: boolean,
    allowance: ConnectionAllowance,
  ): ConnectionLimitsMemory {
    const row = listeners + (addresses ? listeners * ADDRESS_CELLS : 0);
    return { buffer: new SharedArrayBuffer(workers * row * 4), workers, listeners, addresses, allowance };
  }

  constructor(memory: ConnectionLimitsMemory, worker: number) {
    this.#memory = memory;
    this.#cells = new Int32Array(memory.buffer);
    this.#row = this.#cells.length / memory.workers;
    this.#worker = worker;
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
    let sum = 0;
    for (let listener = 0; listener < this.#memory.listeners; listener++) sum += this.#sum(listener);
    return sum >= this.#memory.allowance.connections;
  }

  /** Connections at a listener, over all workers. */
  connections(listener: number): number {
    return this.#sum(listener);
  }

  /** Connections of an address at a listener, over all workers. */
  connectionsOf(listener: number, address: string): number {
    return this.#sum(this.#addressCell(listener, address));
  }

  /** Counts a connection, unless there are `most` at the listener: whatever other workers do at the same time, never more. */
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

  /** A worker died, and its connections with it. */
  clearWorker(worker: number): void {
    this.#cells.fill(0, worker * this.#row, (worker + 1) * this.#row);
  }

  #add(listener: number, address: string, by: number): void {
    const own = this.#worker * this.#row;
    Atomics.add(this.#cells, own + listener, by);
    if (this.#memory.addresses) Atomics.add(this.#cells, own + this.#addressCell(listener, address), by);
  }

  #sum(cell: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#memory.workers; worker++)
      sum += Atomics.load(this.#cells, worker * this.#row + cell);
    return sum;
  }

  #addressCell(listener: number, address: string): number {
    // FNV-1a: addresses are short, and whoever can choose among many of them is not held by a limit per address anyway.
    let hash = 0x811c9dc5;
    for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
    return this.#memory.listeners + listener * ADDRESS_CELLS + ((hash ^ (hash >>> 16)) & (ADDRESS_CELLS - 1));
  }
}
