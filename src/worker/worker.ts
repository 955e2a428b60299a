/**
 * One thread that carries traffic.
 * Longer than 400 lines because it is where its parts are put together, and little else.
 */
import { randomBytes } from 'node:crypto';
import { BackendQueue } from '../backends/queue.ts';
import { SharedState } from '../backends/shared-state.ts';
import { http2Streams } from '../client/http2/http2-streams.ts';
import { TrustedProxies } from '../client/trusted-proxies.ts';
import { listenerKeys } from '../config/listener-keys.ts';
import { memoryLimit } from '../config/memory-limit.ts';
import type { Config } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import { BackendSigns } from '../health/backend-signs.ts';
import { Restarts } from '../health/restarts.ts';
import { BearerToken } from '../keys/bearer-token.ts';
import { MemoryPressure } from '../limits/memory-pressure.ts';
import { RateTable } from '../limits/rate-table.ts';
import { ConnectionLimits } from '../listeners/connection-limits.ts';
import { Listener } from '../listeners/listener.ts';
import type { TlsFront } from '../listeners/tls-front.ts';
import { AccessLog } from '../logging/access-log.ts';
import { EndsJournal } from '../logging/ends-journal.ts';
import { EventSequence } from '../logging/event-sequence.ts';
import { WorkerJournal } from '../logging/worker-journal.ts';
import { WorkerLog } from '../logging/worker-log.ts';
import { Counters } from '../metrics/counters.ts';
import { LabelledCounters } from '../metrics/labelled-counters.ts';
import type { RunningModel } from '../model/running-model.ts';
import { buildHandler } from '../proxy/build-handler.ts';
import { buildRuntimes } from '../proxy/build-runtimes.ts';
import type { Handler } from '../proxy/handler.ts';
import { RequestRecorder } from '../proxy/request-recorder.ts';
import { RequestTracing } from '../proxy/request-tracing.ts';
import { buildRouter, type Router } from '../routing/router.ts';
import { createStore } from '../sessions/store/create-store.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { SessionTable } from '../sessions/table/table.ts';
import { NewUsers } from '../sessions/users/new-users.ts';
import { SessionEvents } from '../sessions/users/session-events.ts';
import { UserIndex } from '../sessions/users/user-index.ts';
import type { EngineChoice } from '../sockets/choose-engine.ts';
import { stopSockets } from '../sockets/stop-sockets.ts';
import { threadSockets } from '../sockets/thread-sockets.ts';
import { Heartbeats } from '../supervisor/heartbeats.ts';
import type { FromWorker, Ports, ToWorker, WorkerStart } from '../supervisor/messages.ts';
import { threadWheel } from '../timing/thread-wheel.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import { SpanBuffer } from '../tracing/span-buffer.ts';
import { TraceIds } from '../tracing/trace-ids.ts';
import { SessionTurns } from '../turns/session-turns.ts';
import type { ConnectedPool } from '../upstream/connected-pool.ts';
import { buildTlsFronts } from './build-tls-fronts.ts';
import { MemoryRelief } from './memory-relief.ts';

/** Between two log lines about wake-ups that were lost. */
const QUIET_MS = 600_000;
/** Ticks of the wheel between two batches to the supervisor. */
const BATCH_TICKS = 2;

/** Everything that a model is made into in this thread. */
interface Parts {
  readonly model: RunningModel;
  readonly pools: readonly ConnectedPool[];
  readonly router: Router;
  readonly trusted: TrustedProxies;
  readonly listeners: ReadonlyMap<string, Listener>;
  readonly fronts: ReadonlyMap<string, TlsFront>;
}

/** What is known of the thread that a worker runs in. */
interface WorkerThread {
  /** How its connections are read: `startSockets` has been called. */
  readonly sockets: EngineChoice;
  /** See `systemThreadId`. */
  readonly tid: number;
}

/**
 * One thread that carries traffic: what it is made of, and its life from the first listening socket to the last
 * connection.
 */
export class Worker {
  readonly #post: (message: FromWorker) => void;
  readonly #log: WorkerLog;
  readonly #labelled = new LabelledCounters();
  readonly #wheel: TimerWheel;
  readonly #handler: Handler;
  readonly #http2: ReturnType<typeof http2Streams>;
  readonly #state: SharedState;
  readonly #signs: BackendSigns;
  readonly #counters: Counters;
  readonly #limits: ConnectionLimits;
  readonly #pressure: MemoryPressure;
  readonly #relief: MemoryRelief;
  readonly #rates: RateTable;
  readonly #recorder: RequestRecorder;
  readonly #turns: SessionTurns;
  readonly #heartbeats: Heartbeats;
  readonly #store: SessionStore;
  readonly #journal: WorkerJournal;
  readonly #events: SessionEvents;
  readonly #newUsers = new NewUsers();
  readonly #spans = new SpanBuffer();
  readonly #traceIds = new TraceIds();
  #parts: Parts;
  /** Made ready for, and not in effect yet. */
  #next: Parts | null = null;
  /** Preparing takes time: the latest model that is wanted. */
  #wanted = 0;
  /** Listeners that a reload has removed, until their last connection has ended. */
  readonly #leaving = new Set<Listener>();
  readonly #index: number;
  readonly #takesOver: boolean;
  #ticketKeys: Uint8Array;
  #ticks = 0;
  #stopping = false;
  readonly #thread: WorkerThread;
  #saidLostAt = Number.NEGATIVE_INFINITY;

  /** @throws StartError when a part cannot be made, such as a key file that is gone */
  constructor(start: WorkerStart, thread: WorkerThread, post: (message: FromWorker) => void) {
    const { index, model } = start;
    this.#post = post;
    this.#thread = thread;
    this.#index = index;
    this.#takesOver = start.takesOver;
    this.#ticketKeys = start.ticketKeys;
    this.#log = new WorkerLog(model.config.log.level, index);
    const log = this.#log.logger;
    this.#state = new SharedState(start.state, index);
    this.#counters = new Counters(start.counters, index);
    this.#limits = new ConnectionLimits(start.limits, index);
    this.#pressure = new MemoryPressure(start.pressure);
    this.#rates = new RateTable(start.rates, index + 2);
    this.#wheel = threadWheel;
    this.#wheel.onTick = () => this.#tick();
    this.#recorder = new RequestRecorder(this.#counters, this.#labelled, this.#accessLog(model.config));
    this.#signs = new BackendSigns({
      state: this.#state,
      restarts: new Restarts({
        count: (...labels) => this.#labelled.add('limpet_backend_restarts_total', ...labels),
        log,
        ...(start.store === null ? {} : { ask: ({ slot }, life) => post({ kind: 'refuses', slot, life }) }),
        now: Date.now,
      }),
      log,
      onLastLost: (slot) => post({ kind: 'last-lost', slot }),
      onRelieved: (slot) => post({ kind: 'relieved', slot }),
      now: Date.now,
    });
    const pools = buildRuntimes(model, null, { state: this.#state, rates: this.#rates, log, signs: this.#signs });
    const router = buildRouter(model.config, new Map(pools.map(({ pool }) => [pool.name, pool])));
    // The supervisor is owner 1 of the table's locks.
    const table = new SessionTable(start.table, index + 2);
    this.#turns = new SessionTurns(start.dialog, index);
    this.#heartbeats = new Heartbeats(start.heartbeats);
    this.#journal = new WorkerJournal(new EventSequence(start.eventSequence, index + 1));
    const poolAt = (at: number) => this.#parts.pools.find(({ pool }) => pool.index === at)?.pool;
    this.#events = new SessionEvents(this.#journal, poolAt, Date.now);
    this.#events.endsOnly = model.config.log.audit === null;
    table.observer = this.#events;
    this.#store = createStore(
      index,
      model.config.sessions,
      start.store,
      table,
      new UserIndex(start.users, table, index + 2),
      log,
    );
    // A reload turns the audit log on and off.
    const ends = new EndsJournal(this.#journal);
    const noted = () => (this.#parts.model.config.log.audit === null ? ends : this.#journal);
    this.#handler = buildHandler({
      wheel: this.#wheel,
      router,
      pools,
      state: this.#state,
      queue: new BackendQueue(this.#state),
      table,
      store: this.#store,
      turns: this.#turns,
      newUsers: this.#newUsers,
      counters: this.#counters,
      labelled: this.#labelled,
      recorder: this.#recorder,
      journal: noted,
      requester: this.#events,
      log,
      explain: start.token === null ? null : new BearerToken(start.token),
      requestIdPrefix: `${randomBytes(9).toString('base64url')}-`,
    });
    this.#handler.tracing = this.#tracing(model.config);
    this.#relief = new MemoryRelief({
      pressure: this.#pressure,
      thread: index + 1,
      limit: () => memoryLimit(this.#parts.model.config.limits.memory),
      wheel: this.#wheel,
      log,
      labelled: this.#labelled,
      forget: () => {
        for (const { strategies } of this.#parts.pools) for (const strategy of strategies) strategy.forget?.();
      },
    });
    this.#http2 = http2Streams(this.#handler, log);
    const trusted = new TrustedProxies(model.config.trustedProxies);
    const fronts = buildTlsFronts(model, this.#ticketKeys, new Map());
    this.#parts = { model, pools, router, trusted, listeners: this.#listeners(model, trusted, new Map()), fronts };
  }

  /** Takes traffic from here on. */
  async listen(ports: Ports): Promise<void> {
    this.#wheel.start();
    if (threadSockets.readiness !== null) threadSockets.readiness.onLost = () => this.#lostWakeup();
    await this.#store.start();
    const listening = await listenAll(this.#parts.listeners, new Map(), ports);
    for (const [key, listener] of this.#parts.listeners) listener.admit(this.#parts.fronts.get(key) ?? null);
    this.#post({ kind: 'listening', ports: listening, ...this.#thread });
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'down':
        this.#handler.ends.onBackendDown(message.slot);
        break;
      case 'let-go':
        for (const runtime of this.#parts.pools) runtime.letGo(message.slot);
        break;
      case 'prepare':
        void this.#prepare(message.model, message.ports);
        break;
      case 'commit':
        this.#commit(message.serial);
        break;
      case 'abort':
        this.#abort();
        break;
      case 'ticket-keys':
        this.#useTicketKeys(message.keys);
        break;
      case 'stop':
        this.#stopping = true;
        this.#handler.stopping = true;
        this.#abort();
        for (const listener of this.#parts.listeners.values()) {
          listener.stop({ grace: message.graceMs, idle: this.#parts.model.config.shutdown.idle });
        }
        break;
      case 'stop-now':
        for (const listener of [...this.#parts.listeners.values(), ...this.#leaving]) listener.stopNow();
        break;
    }
  }

  // ---- another model ----

  async #prepare(model: RunningModel, ports: Ports): Promise<void> {
    this.#abort();
    this.#wanted = model.serial;
    const { serial } = model;
    const before = this.#parts.listeners;
    const trusted = new TrustedProxies(model.config.trustedProxies);
    const listeners = this.#listeners(model, trusted, before);
    try {
      const pools = buildRuntimes(model, this.#parts, {
        state: this.#state,
        rates: this.#rates,
        log: this.#log.logger,
        signs: this.#signs,
      });
      const router = buildRouter(model.config, new Map(pools.map(({ pool }) => [pool.name, pool])));
      const fronts = buildTlsFronts(model, this.#ticketKeys, this.#parts.fronts);
      const listening = await listenAll(listeners, before, ports);
      if (this.#wanted !== serial) throw new StartError('the reload was given up');
      this.#next = { model, pools, router, trusted, listeners, fronts };
      this.#post({ kind: 'prepared', serial, ports: listening });
    } catch (error) {
      closeAll(listeners, before);
      const message = error instanceof StartError ? error.message : String((error as Error).stack ?? error);
      this.#post({ kind: 'refused', serial, message });
    }
  }

  #commit(serial: number): void {
    const next = this.#next;
    if (next === null || next.model.serial !== serial) {
      const message = 'it was started again meanwhile';
      this.#post(
        this.#parts.model.serial === serial ? { kind: 'committed', serial } : { kind: 'refused', serial, message },
      );
      return;
    }
    this.#next = null;
    const before = this.#parts;
    this.#parts = next;
    const { config } = next.model;
    this.#log.level = config.log.level;
    this.#recorder.access = this.#accessLog(config);
    // What happened before goes where it was to go.
    this.#batch();
    this.#events.endsOnly = config.log.audit === null;
    for (const runtime of next.pools) runtime.adopt();
    for (const runtime of before.pools) if (!next.model.pools.has(runtime.pool.name)) runtime.closeIdle();
    this.#handler.adopt(next.router, next.pools);
    this.#handler.ends.adopt(next.pools);
    this.#handler.tracing = this.#tracing(config);
    const keys = listenerKeys(config.listeners);
    for (const [at, key] of keys.entries()) {
      next.listeners.get(key)!.adopt(config.listeners[at]!, next.trusted, next.fronts.get(key) ?? null);
    }
    for (const [key, listener] of before.listeners) {
      if (next.listeners.has(key)) continue;
      this.#leaving.add(listener);
      listener.stop(config.shutdown);
    }
    this.#post({ kind: 'committed', serial });
  }

  #useTicketKeys(keys: Uint8Array): void {
    this.#ticketKeys = keys;
    const renew = (parts: Parts): Parts => ({ ...parts, fronts: buildTlsFronts(parts.model, keys, parts.fronts) });
    this.#parts = renew(this.#parts);
    if (this.#next !== null) this.#next = renew(this.#next);
    for (const [key, front] of this.#parts.fronts) this.#parts.listeners.get(key)!.tls = front;
  }

  #abort(): void {
    this.#wanted = 0;
    if (this.#next === null) return;
    closeAll(this.#next.listeners, this.#parts.listeners);
    this.#next = null;
  }

  /**
   * The listeners of a model: those of `before` where the address stays, new ones that take nothing in yet otherwise.
   */
  #listeners(
    model: RunningModel,
    trusted: TrustedProxies,
    before: ReadonlyMap<string, Listener>,
  ): Map<string, Listener> {
    const { listeners } = model.config;
    return new Map(
      listenerKeys(listeners).map((key, at) => {
        const index = model.listeners.get(key)!;
        const listener =
          before.get(key) ??
          new Listener({
            config: listeners[at]!,
            index,
            worker: this.#index,
            takesOver: this.#takesOver,
            handler: this.#handler,
            trusted,
            limits: this.#limits,
            pressure: this.#pressure,
            counters: this.#counters,
            labelled: this.#labelled,
            http2: this.#http2,
            log: this.#log.logger,
          });
        return [key, listener];
      }),
    );
  }

  #accessLog(config: Config): AccessLog | null {
    return AccessLog.isOn(config.log.access, config.log.level) ? new AccessLog(this.#log) : null;
  }

  #tracing({ tracing: { otlp, sample } }: Config): RequestTracing | null {
    return otlp === null ? null : new RequestTracing(sample, this.#spans, this.#traceIds);
  }

  // ---- now and then ----

  #tick(): void {
    this.#heartbeats.beat(this.#index);
    threadSockets.readiness?.tick();
    this.#handler.ends.tick();
    this.#relief.tick(this.#parts.listeners.values());
    this.#turns.tick(this.#wheel.due);
    for (const listener of this.#parts.listeners.values()) listener.serveWaiting();
    if (++this.#ticks % BATCH_TICKS === 0) this.#batch();
    for (const listener of this.#leaving) {
      listener.closeIdle();
      if (listener.open === 0) this.#leaving.delete(listener);
    }
    if (!this.#stopping) return;
    for (const listener of this.#parts.listeners.values()) listener.closeIdle();
    if (this.#leaving.size > 0) return;
    for (const listener of this.#parts.listeners.values()) if (listener.open > 0) return;
    this.#stopped();
  }

  #lostWakeup(): void {
    this.#labelled.add('limpet_socket_lost_wakeups_total');
    const { now } = this.#wheel;
    if (now - this.#saidLostAt < QUIET_MS) return;
    this.#saidLostAt = now;
    this.#log.logger.warn(
      {},
      'the system did not tell that bytes had come, which was found out a moment later: if this goes on, set sockets: node',
    );
  }

  #batch(): void {
    const log = this.#log.drain();
    const labelled = this.#labelled.drain();
    const users = this.#newUsers.drain();
    const events = this.#journal.drain();
    const spans = this.#spans.drain();
    if (log !== '' || labelled.length > 0 || users.length > 0 || events !== null || spans !== null)
      this.#post({ kind: 'batch', log, labelled, users, events, spans });
  }

  #stopped(): void {
    this.#store.stop();
    this.#wheel.onTick = () => {};
    this.#wheel.stop();
    for (const pool of this.#parts.pools) pool.closeIdle();
    stopSockets();
    this.#batch();
    this.#post({ kind: 'stopped' });
  }
}

/**
 * Lets those listen that do not yet. Answers the ports of all. @throws StartError when one cannot; the others are left
 * as they are
 */
async function listenAll(
  listeners: ReadonlyMap<string, Listener>,
  before: ReadonlyMap<string, Listener>,
  ports: Ports,
): Promise<Ports> {
  const listening = new Map<string, number>();
  for (const [key, listener] of listeners) {
    listening.set(key, before.has(key) ? listener.port : await listener.listen(ports.get(key) ?? null));
  }
  return listening;
}

function closeAll(listeners: ReadonlyMap<string, Listener>, except: ReadonlyMap<string, Listener>): void {
  for (const [key, listener] of listeners) if (!except.has(key)) listener.discard();
}
