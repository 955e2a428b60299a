import { getRandomValues, randomBytes } from 'node:crypto';
import { buildCascade } from '../affinity/cascade.ts';
import { buildPools } from '../backends/build-pools.ts';
import { BackendQueue } from '../backends/queue.ts';
import { SharedState } from '../backends/shared-state.ts';
import { POLICIES } from '../balancing/registry.ts';
import { PoolTraffic } from '../forwarding/pool-traffic.ts';
import { Outlier } from '../health/outlier.ts';
import { ConnectionLimits } from '../listeners/connection-limits.ts';
import { Listener } from '../listeners/listener.ts';
import { TrustedProxies } from '../listeners/trusted-proxies.ts';
import { AccessLog } from '../logging/access-log.ts';
import { WorkerLog } from '../logging/worker-log.ts';
import { Counters } from '../metrics/counters.ts';
import { RareCounters } from '../metrics/rare.ts';
import { Handler } from '../proxy/handler.ts';
import { RequestRecorder } from '../proxy/request-recorder.ts';
import { buildRouter } from '../routing/router.ts';
import { SessionTable } from '../sessions/table.ts';
import { TimerWheel } from '../timing/timer-wheel.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';

/** Ticks of the wheel between two batches to the supervisor. */
const BATCH_TICKS = 2;

/** One thread that carries traffic: what it is made of, and its life from the first listening socket to the last connection. */
export class Worker {
  readonly #post: (message: FromWorker) => void;
  readonly #log: WorkerLog;
  readonly #rare = new RareCounters();
  readonly #wheel: TimerWheel;
  readonly #handler: Handler;
  readonly #listeners: readonly Listener[];
  readonly #pools: readonly PoolTraffic[];
  readonly #start: WorkerStart;
  #ticks = 0;
  #stopping = false;

  /** @throws StartError when a part cannot be made, such as a key file that is gone */
  constructor(start: WorkerStart, post: (message: FromWorker) => void) {
    const { config, index } = start;
    this.#start = start;
    this.#post = post;
    this.#log = new WorkerLog(config.log.level, index);
    const log = this.#log.logger;
    const state = new SharedState(start.state, index);
    // The supervisor is owner 1 of the table's locks.
    const table = new SessionTable(start.table, index + 2);
    const counters = new Counters(start.counters, index);
    const limits = new ConnectionLimits(start.limits, index);
    const pools = buildPools(config, start.slots);
    this.#pools = pools.map((pool) => {
      const cascade = buildCascade({
        pool,
        secrets: start.secrets,
        now: Date.now,
        since: () => 0,
        randomBytes: (bytes) => {
          getRandomValues(bytes as Uint8Array<ArrayBuffer>);
        },
        warn: (message) => log.warn({ pool: pool.name }, message),
      });
      const policy = POLICIES[pool.config.balance]({ state, random: Math.random, slots: state.slots });
      return new PoolTraffic(
        pool,
        cascade.strategies,
        cascade.issuer,
        policy,
        pool.config.health.passive === null ? null : new Outlier(pool, state),
      );
    });
    this.#wheel = new TimerWheel(() => this.#tick());
    const access = AccessLog.isOn(config.log.access, config.log.level) ? new AccessLog(this.#log) : null;
    this.#handler = new Handler({
      wheel: this.#wheel,
      router: buildRouter(config, new Map(pools.map((pool) => [pool.name, pool]))),
      pools: this.#pools,
      state,
      queue: new BackendQueue(state),
      table,
      counters,
      rare: this.#rare,
      recorder: new RequestRecorder(counters, this.#rare, access),
      log,
      requestIdPrefix: `${randomBytes(9).toString('base64url')}-`,
    });
    const trusted = new TrustedProxies(config.trustedProxies);
    this.#listeners = config.listeners.map(
      (listener, at) =>
        new Listener({ config: listener, index: at, handler: this.#handler, trusted, limits, counters, log }),
    );
  }

  /** Takes traffic from here on. */
  async listen(): Promise<void> {
    this.#wheel.start();
    const ports: number[] = [];
    for (const [at, listener] of this.#listeners.entries())
      ports.push(await listener.listen(this.#start.ports?.[at] ?? null));
    this.#post({ kind: 'listening', ports });
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'down':
        this.#handler.onBackendDown(message.slot);
        break;
      case 'stop':
        this.#stopping = true;
        this.#handler.stopping = true;
        for (const listener of this.#listeners) listener.stop();
        break;
      case 'stop-now':
        for (const listener of this.#listeners) listener.stopNow();
        break;
    }
  }

  #tick(): void {
    this.#handler.tick();
    for (const listener of this.#listeners) listener.serveWaiting();
    if (++this.#ticks % BATCH_TICKS === 0) this.#batch();
    if (!this.#stopping) return;
    for (const listener of this.#listeners) listener.closeIdle();
    if (this.#listeners.every((listener) => listener.open === 0)) this.#stopped();
  }

  #batch(): void {
    const log = this.#log.drain();
    const rare = this.#rare.drain();
    if (log !== '' || rare.length > 0) this.#post({ kind: 'batch', log, rare });
  }

  #stopped(): void {
    this.#wheel.stop();
    for (const pool of this.#pools) pool.closeIdle();
    this.#batch();
    this.#post({ kind: 'stopped' });
  }
}
