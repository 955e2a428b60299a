import { Worker } from 'node:worker_threads';
import type { SharedState } from '../backends/shared-state.ts';
import type { Config } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import { ConnectionLimits } from '../listeners/connection-limits.ts';
import type { LineSink, Logger } from '../logging/logger.ts';
import { CounterSums } from '../metrics/counter-sums.ts';
import type { RareTotals } from '../metrics/rare-totals.ts';
import type { SessionTable } from '../sessions/table.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';

/** A worker that lived shorter than this is started again with a pause that doubles. */
const STEADY_MS = 5_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
/** After a graceful stop: for the answers to requests that were not finished. */
const LAST_WORDS_MS = 500;
/** How often expired rows are swept out, and in how many portions the whole table is gone through. */
const SWEEP_MS = 250;
const SWEEP_PORTIONS = 240;

export interface SupervisorParts {
  readonly config: Config;
  readonly workers: number;
  readonly start: Omit<WorkerStart, 'index' | 'config' | 'ports'>;
  readonly state: SharedState;
  readonly table: SessionTable;
  readonly rare: RareTotals;
  readonly output: LineSink;
  readonly log: Logger;
}

interface Place {
  thread: Worker | null;
  startedAt: number;
  listening: boolean;
  pauseMs: number;
  stopped: boolean;
}

/** Starts the workers, starts those again that end, and cleans up what one leaves in shared memory (behaviour 69). */
export class Supervisor {
  /** Workers that were started again. */
  restarts = 0;
  /** Ports by listener, once the first worker listens. */
  ports: readonly number[] = [];
  readonly #parts: SupervisorParts;
  readonly #places: Place[];
  readonly #limits: ConnectionLimits;
  readonly #sums: CounterSums;
  #stopping = false;
  #sweeper: NodeJS.Timeout | null = null;
  #onStopped: (() => void) | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#limits = new ConnectionLimits(parts.start.limits, 0);
    this.#sums = new CounterSums(parts.start.counters);
    this.#places = Array.from({ length: parts.workers }, () => ({
      thread: null,
      startedAt: 0,
      listening: false,
      pauseMs: 0,
      stopped: false,
    }));
  }

  /** Workers that take traffic right now. */
  get running(): number {
    return this.#places.filter(({ listening }) => listening).length;
  }

  /**
   * Starts all workers and settles when they listen. The first one goes ahead, because with port 0 it finds the port out.
   * @throws StartError when one of them cannot start
   */
  async start(): Promise<void> {
    this.ports = await this.#spawn(0);
    await Promise.all(this.#places.slice(1).map((_, i) => this.#spawn(i + 1)));
    const { table } = this.#parts;
    const portion = Math.max(64, Math.ceil(table.buckets / SWEEP_PORTIONS));
    this.#sweeper = setInterval(() => table.sweep(portion, Date.now()), SWEEP_MS);
    this.#sweeper.unref();
  }

  #spawn(index: number): Promise<readonly number[]> {
    const { config, start, log, output, rare } = this.#parts;
    const place = this.#places[index]!;
    const data: WorkerStart = { ...start, config, index, ports: this.ports.length === 0 ? null : this.ports };
    // The same extension as this file: sources run as they are, dist runs compiled.
    const entry = new URL(`./worker-main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
    const thread = new Worker(entry, { workerData: data, name: `limpet worker ${index}` });
    place.thread = thread;
    place.startedAt = performance.now();
    place.stopped = false;
    const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
    thread.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'batch':
          if (message.log !== '') output.write(message.log);
          if (message.rare.length > 0) rare.add(message.rare);
          break;
        case 'listening':
          place.listening = true;
          resolve(message.ports);
          break;
        case 'failed':
          reject(new StartError(message.message));
          break;
        case 'stopped':
          place.stopped = true;
          this.#checkStopped();
          break;
      }
    });
    thread.on('error', (error) => log.error({ err: error, worker: index }, 'worker ended by an uncaught error'));
    thread.on('exit', () => {
      place.thread = null;
      place.listening = false;
      this.#cleanUp(index);
      reject(new StartError(`worker ${index} ended before it took traffic: see the log`));
      this.#checkStopped();
      if (!this.#stopping && this.ports.length > 0) this.#again(index);
    });
    return promise;
  }

  /** What a worker held in shared memory: locks, requests in flight, connections. Its rows and counters stay. */
  #cleanUp(index: number): void {
    this.#parts.table.releaseLocks(index + 2);
    this.#parts.state.clearWorker(index);
    this.#limits.clearWorker(index);
    this.#sums.clearWorker(index);
  }

  #again(index: number): void {
    const place = this.#places[index]!;
    const lived = performance.now() - place.startedAt;
    place.pauseMs = lived >= STEADY_MS ? 0 : Math.min(Math.max(place.pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.restarts++;
    this.#parts.log.warn({ worker: index, pauseMs: place.pauseMs }, 'worker is started again');
    setTimeout(() => {
      if (this.#stopping) return;
      this.#spawn(index).catch((error: unknown) =>
        this.#parts.log.error({ err: error, worker: index }, 'worker could not be started again'),
      );
    }, place.pauseMs);
  }

  /** Tells all workers. */
  broadcast(message: ToWorker): void {
    for (const { thread } of this.#places) thread?.postMessage(message);
  }

  /** Lets the workers finish what is under way, for `graceMs` at most, and ends them. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onStopped = resolve;
    this.broadcast({ kind: 'stop' });
    this.#checkStopped();
    const last = setTimeout(resolve, graceMs + LAST_WORDS_MS);
    const timer = setTimeout(() => this.broadcast({ kind: 'stop-now' }), graceMs);
    await promise;
    clearTimeout(timer);
    clearTimeout(last);
    await Promise.all(this.#places.map(async ({ thread }) => thread?.terminate()));
  }

  #checkStopped(): void {
    if (this.#places.every(({ thread, stopped }) => thread === null || stopped)) this.#onStopped?.();
  }
}
