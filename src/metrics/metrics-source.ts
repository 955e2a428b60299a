/** What the metrics read besides the counters: the running pools and their live state, asked at each collection. */
export interface MetricsSource {
  /** The pools as they run now; a reload may change them. */
  pools(): readonly MetricsPool[];
  /** The listeners as they are now: `bind` is the label `listener`, `index` the place in the counters. */
  listeners(): readonly { readonly bind: string; readonly index: number }[];
  /** Requests in flight at the backend of a slot. */
  activeRequests(slot: number): number;
  /** False while probes or traffic say that the backend is down. */
  isUp(slot: number): boolean;
  /** Which life of its process the backend of a slot is in. */
  life(slot: number): number;
  /** Sessions bound to the backend of a slot. */
  sessions(slot: number): number;
  /** Sessions of a pool, by its index. */
  sessionsOfPool(pool: number): number;
  /** Rows that went because their bucket was full. */
  evictions(): number;
  /** Ends of sessions that take memory, until their cookies could not be valid any more. */
  ends(): number;
  /** Ends that were dropped before that. */
  endsDropped(): number;
  /** Workers that were started again. */
  workerRestarts(): number;
  /** Engines by which connections are read in some worker: `system`, `node`. */
  socketEngines(): readonly string[];
  /** Requests that have the turn of their session, or wait for it. */
  turns(): number;
  /** Requests that wait for the turn of their session, by the names of the pools in which there are turns. */
  waitingForTurn(): readonly { readonly pool: string; readonly count: number }[];
  /** Memory of the process: whether it is short, bytes in use, and bytes allowed (Infinity: no limit). */
  memory(): { readonly short: boolean; readonly used: number; readonly limit: number };
  /** Whether the store of sessions answers; the memory always does. */
  storeUp(): boolean;
  /** 1 at the start, one more with each reload. */
  configGeneration(): number;
  /** Reloads that were taken over, and those that were refused and changed nothing. */
  reloads(): { readonly ok: number; readonly failed: number };
}

/** The part of a pool that metrics need. */
export interface MetricsPool {
  readonly name: string;
  readonly index: number;
  readonly backends: readonly { readonly id: string; readonly slot: number }[];
}
