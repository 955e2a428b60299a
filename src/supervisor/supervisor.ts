/**
 * Starts and ends the worker threads.
 * Longer than 400 lines because the life of a worker is one state machine: start, reload, stop, end and another start.
 */
import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { SharedState } from '../backends/shared-state.ts';
import { StartError } from '../errors-start.ts';
import { installation } from '../installation.ts';
import { MemoryPressure } from '../limits/memory-pressure.ts';
import { RateTable } from '../limits/rate-table.ts';
import { ConnectionLimits } from '../listeners/connection-limits.ts';
import type { AuditLog } from '../logging/audit-log.ts';
import type { LineSink, Logger } from '../logging/logger.ts';
import { CounterSums } from '../metrics/counter-sums.ts';
import type { LabelledTotals } from '../metrics/labelled-totals.ts';
import type { RunningModel } from '../model/running-model.ts';
import { sweepPace } from '../sessions/table/sweep.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import type { Users } from '../sessions/users/users.ts';
import type { WantedEngine } from '../sockets/choose-engine.ts';
import { Deadline } from '../timing/deadline.ts';
import { threadWheel } from '../timing/thread-wheel.ts';
import type { SpanExporter } from '../tracing/span-exporter.ts';
import { DeadTurns } from '../turns/dead-turns.ts';
import { allocateTurns, type TurnsMemory } from '../turns/turns-memory.ts';
import { clearWorker } from './clear-worker.ts';
import { EndsWatch } from './ends-watch.ts';
import { EngineReport } from './engine-report.ts';
import { Heartbeats, type HeartbeatsMemory } from './heartbeats.ts';
import type { FromWorker, Ports, ToWorker, WorkerStart } from './messages.ts';
import { RefusedResponses } from './refused-responses.ts';
import { Watchdog } from './watchdog.ts';

/** A worker that lived shorter than this is started again with a pause that doubles. */
const STEADY_MS = 5_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
/** After a graceful stop: for the answers to requests that were not finished. */
const LAST_WORDS_MS = 300;
/** A worker that makes no progress for so long takes no traffic that reaches it. */
const STUCK_MS = 3_000;
/** And a reload waits no longer for it than this. */
const GIVE_UP_MS = 15_000;
const LOOK_MS = 250;
/** How long TLS tickets are sealed with the same keys: whoever steals them can read what was recorded in that time. */
const TICKET_KEYS_MS = 12 * 3_600_000;
const TICKET_KEYS_BYTES = 48;

interface SupervisorParts {
  readonly workers: number;
  /** As configured. */
  readonly sockets: WantedEngine;
  readonly start: Omit<WorkerStart, 'index' | 'model' | 'ports' | 'ticketKeys' | 'dialog' | 'users' | 'heartbeats'>;
  readonly state: SharedState;
  readonly table: SessionTable;
  readonly users: Users;
  readonly labelled: LabelledTotals;
  readonly output: LineSink;
  readonly audit: AuditLog;
  readonly spans: SpanExporter;
  readonly log: Logger;
  /** The last connection of the workers to the backend of a slot has ended by itself. */
  readonly onLastLost: (slot: number) => void;
  /** The backend of a slot refuses connections in this life of it, and the nodes are to be asked what that means. */
  readonly onRefuses: (slot: number, life: number) => void;
}

/** What a worker says to another model; null: it ended before it could. */
type Answer = Extract<FromWorker, { kind: 'prepared' | 'refused' | 'committed' }> | null;

interface Place {
  readonly index: number;
  thread: Worker | null;
  startedAt: number;
  listening: boolean;
  tid: number;
  pauseMs: number;
  stopped: boolean;
  /** It makes no progress. */
  stuck: boolean;
  /** Serial of the model it goes by. */
  serial: number;
  /** Serial of the model that it was asked about last. */
  asked: number;
  onAnswer: ((answer: Answer) => void) | null;
}

/** Starts the workers, starts those again that end, and cleans up what one leaves in shared memory (behaviour 69). */
export class Supervisor {
  /** Workers that were started again. */
  restarts = 0;
  /** Ports by listener (see `listenerKeys`), once the first worker listens. */
  ports: Ports = new Map();
  /** How the workers' connections are read. */
  readonly engines: EngineReport;
  /** Requests that take turns within their session. */
  readonly turns: DeadTurns;
  readonly #dialog: TurnsMemory;
  readonly #parts: SupervisorParts;
  readonly #places: Place[];
  readonly #heartbeatsMemory: HeartbeatsMemory;
  readonly #heartbeats: Heartbeats;
  readonly #watchdog: Watchdog;
  readonly #limits: ConnectionLimits;
  readonly #pressure: MemoryPressure;
  readonly #rates: RateTable;
  readonly #sums: CounterSums;
  readonly #refused: RefusedResponses;
  #model: RunningModel | null = null;
  #stopping = false;
  #sweeper: NodeJS.Timeout | null = null;
  #ticketKeys: Uint8Array = randomBytes(TICKET_KEYS_BYTES);
  #rotation: NodeJS.Timeout | null = null;
  #looking: NodeJS.Timeout | null = null;
  #onStopped: (() => void) | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#limits = new ConnectionLimits(parts.start.limits, 0);
    this.#pressure = new MemoryPressure(parts.start.pressure);
    this.#rates = new RateTable(parts.start.rates, 1);
    this.#sums = new CounterSums(parts.start.counters);
    this.#refused = new RefusedResponses(parts.log);
    this.#dialog = allocateTurns(parts.workers);
    this.#heartbeatsMemory = Heartbeats.allocate(parts.workers);
    this.#heartbeats = new Heartbeats(this.#heartbeatsMemory);
    this.#watchdog = new Watchdog({
      limit: () => this.#model!.config.watchdog,
      silence: (worker) => this.#heartbeats.silence(worker),
      onEnd: () => parts.labelled.add([{ name: 'limpet_watchdog_ended_workers_total', labels: [], count: 1 }]),
      log: parts.log,
      now: () => performance.now(),
    });
    this.engines = new EngineReport(parts.sockets, parts.log);
    this.turns = new DeadTurns(this.#dialog);
    this.#places = Array.from({ length: parts.workers }, (_, index) => ({
      index,
      thread: null,
      startedAt: 0,
      listening: false,
      tid: 0,
      pauseMs: 0,
      stopped: false,
      stuck: false,
      serial: 0,
      asked: 0,
      onAnswer: null,
    }));
  }

  /** Workers that take traffic right now. */
  get running(): number {
    return this.#places.filter(({ listening }) => listening).length;
  }

  /** Indices of workers that make no progress: what reaches them waits. */
  get stuck(): readonly number[] {
    return this.#places.filter(({ stuck }) => stuck).map(({ index }) => index);
  }

  /**
   * Starts all workers and settles when they listen. The first one goes ahead, because with port 0 it finds the port
   * out.
   * @throws StartError when one of them cannot start
   */
  async start(model: RunningModel): Promise<void> {
    this.#model = model;
    threadWheel.start();
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    this.#looking.unref();
    this.ports = await this.#spawn(this.#places[0]!);
    await Promise.all(this.#places.slice(1).map((place) => this.#spawn(place)));
    const { table } = this.#parts;
    const { everyMs, buckets } = sweepPace(table.buckets);
    const ends = new EndsWatch(table, this.#parts.log);
    this.#sweeper = setInterval(() => {
      ends.look(performance.now());
      try {
        table.sweep(buckets, Date.now());
      } catch (error) {
        // A worker that spins or has ended holds a lock, which is about to be taken from it: those rows have their turn
        // later.
        this.#parts.log.debug({ err: error }, 'a part of the session table could not be swept');
      }
      this.turns.sweep();
      this.#parts.users.sweep(buckets / table.buckets);
    }, everyMs);
    this.#sweeper.unref();
    this.#rotation = setInterval(() => this.rotateTicketKeys(), TICKET_KEYS_MS);
    this.#rotation.unref();
  }

  /** Whether the workers make progress. */
  #look(): void {
    for (const place of this.#places) {
      const silence = place.listening ? this.#heartbeats.silence(place.index) : 0;
      if (silence > GIVE_UP_MS) {
        const message = `worker ${place.index} makes no progress: see the log`;
        this.#answered(place, { kind: 'refused', serial: place.asked, message });
      }
      const stuck = silence > STUCK_MS;
      if (stuck === place.stuck) continue;
      place.stuck = stuck;
      const fields = { worker: place.index };
      if (stuck) this.#parts.log.error(fields, 'worker makes no progress: what reaches it waits');
      else if (place.listening) this.#parts.log.warn(fields, 'worker makes progress again');
    }
    this.#watchdog.look(this.#places);
  }

  /** New keys for TLS tickets, in all workers. */
  rotateTicketKeys(): void {
    this.#ticketKeys = randomBytes(TICKET_KEYS_BYTES);
    this.broadcast({ kind: 'ticket-keys', keys: this.#ticketKeys });
  }

  /**
   * Lets all workers go by another model, or none of them: each makes everything ready first. One replacement at a
   * time.
   * @returns null, or why it cannot be; then nothing has changed
   */
  async replace(model: RunningModel): Promise<string | null> {
    if (this.#stopping) return 'limpet is stopping';
    const places = this.#places.filter(({ listening }) => listening);
    let ports: Ports = this.ports;
    // The first one alone: with port 0 it finds the port of a new listener out.
    for (const group of [places.slice(0, 1), places.slice(1)]) {
      const answers = await Promise.all(group.map((place) => this.#ask(place, { kind: 'prepare', model, ports })));
      for (const answer of answers) {
        if (answer?.kind === 'refused') {
          this.broadcast({ kind: 'abort', serial: model.serial });
          return answer.message;
        }
        if (answer?.kind === 'prepared') ports = answer.ports;
      }
    }
    if (this.#stopping) return 'limpet is stopping';
    // A worker that is being started again meanwhile begins with the new model, or catches up when it listens.
    this.#model = model;
    this.ports = ports;
    await Promise.all(places.map((place) => this.#commit(place, model.serial)));
    await Promise.all(this.#places.map((place) => this.#catchUp(place)));
    return null;
  }

  async #commit(place: Place, serial: number): Promise<void> {
    const answer = await this.#ask(place, { kind: 'commit', serial });
    if (answer?.kind === 'committed') place.serial = serial;
  }

  /** For a worker that was on its way while the model was replaced. */
  async #catchUp(place: Place): Promise<void> {
    const model = this.#model!;
    // At a stop nobody is asked any more, and there is no answer to wait for.
    if (this.#stopping || !place.listening || place.serial === model.serial || place.onAnswer !== null) return;
    const answer = await this.#ask(place, { kind: 'prepare', model, ports: this.ports });
    if (answer?.kind === 'prepared') await this.#commit(place, model.serial);
    else if (answer !== null) {
      this.#parts.log.error({ worker: place.index }, 'worker cannot follow a reload and is started again');
      void place.thread?.terminate();
      return;
    }
    await this.#catchUp(place);
  }

  #ask(place: Place, message: Extract<ToWorker, { kind: 'prepare' | 'commit' }>): Promise<Answer> {
    if (place.thread === null || this.#stopping) return Promise.resolve(null);
    const { promise, resolve } = Promise.withResolvers<Answer>();
    place.onAnswer = resolve;
    place.asked = message.kind === 'prepare' ? message.model.serial : message.serial;
    place.thread.postMessage(message);
    return promise;
  }

  #answered(place: Place, answer: Answer): void {
    // Of a model that was given up.
    if (answer !== null && answer.serial !== place.asked) return;
    const { onAnswer } = place;
    place.onAnswer = null;
    onAnswer?.(answer);
  }

  #spawn(place: Place): Promise<Ports> {
    const { start, log, output, labelled, audit, spans } = this.#parts;
    const model = this.#model!;
    const { index } = place;
    const data: WorkerStart = {
      ...start,
      model,
      index,
      ports: this.ports,
      ticketKeys: this.#ticketKeys,
      dialog: this.#dialog,
      users: this.#parts.users.memory,
      heartbeats: this.#heartbeatsMemory,
    };
    const entry = installation.entry('worker/worker-main');
    const thread = new Worker(entry, { workerData: data, name: `limpet worker ${index}` });
    place.thread = thread;
    place.startedAt = performance.now();
    place.stopped = false;
    place.serial = model.serial;
    const { promise, resolve, reject } = Promise.withResolvers<Ports>();
    thread.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'batch':
          if (message.log !== '') output.write(message.log);
          if (message.labelled.length > 0) {
            labelled.add(message.labelled);
            this.#refused.note(message.labelled, performance.now());
          }
          // Before events that name them.
          if (message.users.length > 0) this.#parts.users.names.add(message.users);
          if (message.events !== null) audit.take(index + 1, message.events);
          if (message.spans !== null) spans.take(message.spans);
          break;
        case 'listening':
          place.listening = true;
          place.tid = message.tid;
          this.engines.note(index, message.sockets);
          this.#heartbeats.begin(index);
          resolve(message.ports);
          void this.#catchUp(place);
          break;
        case 'failed':
          reject(new StartError(message.message));
          break;
        case 'refuses':
          this.#parts.onRefuses(message.slot, message.life);
          break;
        case 'last-lost':
          this.#parts.onLastLost(message.slot);
          break;
        case 'relieved':
          this.broadcast({ kind: 'let-go', slot: message.slot });
          break;
        case 'prepared':
        case 'refused':
        case 'committed':
          this.#answered(place, message);
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
      clearWorker(index, {
        ...this.#parts,
        rates: this.#rates,
        turns: this.turns,
        limits: this.#limits,
        pressure: this.#pressure,
        sums: this.#sums,
      });
      audit.threadGone(index + 1);
      this.#answered(place, null);
      reject(new StartError(`worker ${index} ended before it took traffic: see the log`));
      this.#checkStopped();
      if (!this.#stopping && this.ports.size > 0) this.#again(place);
    });
    return promise;
  }

  #again(place: Place): void {
    const lived = performance.now() - place.startedAt;
    place.pauseMs = lived >= STEADY_MS ? 0 : Math.min(Math.max(place.pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.restarts++;
    this.#parts.log.warn({ worker: place.index, pauseMs: place.pauseMs }, 'worker is started again');
    setTimeout(() => {
      if (this.#stopping) return;
      this.#spawn(place).catch((error: Error) => {
        this.#parts.log.error({ worker: place.index, err: error }, 'worker could not be started again');
      });
    }, place.pauseMs);
  }

  /** Tells all workers. */
  broadcast(message: ToWorker): void {
    for (const { thread } of this.#places) thread?.postMessage(message);
  }

  /** No other model from here on: one that is on its way, and waits for a worker that does not answer, is given up. */
  halt(): void {
    this.#stopping = true;
    for (const place of this.#places) this.#answered(place, null);
  }

  /** Lets the workers finish what is under way, for `graceMs` at most, and ends them. */
  async stop(graceMs: number): Promise<void> {
    this.halt();
    if (this.#looking !== null) {
      clearInterval(this.#looking);
      threadWheel.stop();
    }
    this.#looking = null;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    if (this.#rotation !== null) clearInterval(this.#rotation);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onStopped = resolve;
    this.broadcast({ kind: 'stop', graceMs });
    this.#checkStopped();
    const last = new Deadline(graceMs + LAST_WORDS_MS, resolve);
    const end = new Deadline(graceMs, () => this.broadcast({ kind: 'stop-now' }));
    await promise;
    end.cancel();
    last.cancel();
    await Promise.all(this.#places.map(async ({ thread }) => thread?.terminate()));
  }

  #checkStopped(): void {
    if (this.#places.every(({ thread, stopped }) => thread === null || stopped)) this.#onStopped?.();
  }
}
