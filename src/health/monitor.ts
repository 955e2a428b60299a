import { isDeepStrictEqual } from 'node:util';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { Health, SharedState } from '../backends/shared-state.ts';
import type { ActiveHealthConfig } from '../config/schema.ts';
import { ERROR_CODES } from '../errors.ts';
import type { Logger } from '../logging/logger.ts';
import { type Clock, SYSTEM_CLOCK } from '../timing/clock.ts';
import { threadWheel } from '../timing/thread-wheel.ts';
import type { HealthChange } from './health-change.ts';
import type { LifeWatch } from './life-watch.ts';
import type { ProbeFactory, ProbeResult } from './probe.ts';
import { ProbeLoop } from './probe-loop.ts';
import { observe, type ProbeState, UNPROBED } from './probe-state.ts';
import { PROBES } from './registry.ts';
import { SlowStart } from './slow-start.ts';

/** What a HealthMonitor works with; what is left out is the real thing. */
interface HealthMonitorOptions {
  readonly state: SharedState;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** Called on every flip, after the state has changed. */
  readonly onChange?: (change: HealthChange) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Whether limpet itself stood still since then, by performance.now. */
  readonly paused?: (since: number) => boolean;
  /** Told what probes see of the lives of the backends. */
  readonly lives?: LifeWatch;
  readonly probes?: { readonly [Type in ActiveHealthConfig['type']]: ProbeFactory };
}

interface Watched {
  pool: Pool;
  backend: Backend;
  loop: ProbeLoop | null;
  probeState: ProbeState;
  inMaintenance: boolean;
  ejected: boolean;
  /** The number of the life that it was ejected in; 0: its process was gone already. */
  ejectedLife: number;
}

/** Between two log lines about the same trouble, ms. */
const QUIET = 10_000;
/**
 * Another thread may have looked at the clock so much later than this one, ms: within one look at many backends, or
 * while the clock of the system is being adjusted.
 */
const AHEAD_MS = 1_000;
/** How often, in ms, ejections, admin states and slow starts are looked at. */
const TICK = 200;

/**
 * The supervisor's side of health: probes the backends, lets ejected ones back in and starts recovered ones slowly.
 *
 * A backend in maintenance is not probed; a draining one is (behaviour 39). Coming out of maintenance it is probed at
 * once: one that was down is still down until then, any other is unknown, and both start slowly, as they were probably
 * restarted. An ejected backend comes back after `eject`. Probes that find it well all the while do not bring it back,
 * as they are a verdict of their own; those that saw it go down and come up do, and so does a new life: it was
 * restarted, and what its traffic said before holds no longer. It also comes back when no backend of its pool is open,
 * as an ejection must not leave a pool with none (behaviour 42).
 */
export class HealthMonitor {
  readonly #state: SharedState;
  readonly #logger: Pick<Logger, 'info' | 'warn'>;
  readonly #onChange: (change: HealthChange) => void;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #paused: (since: number) => boolean;
  readonly #probes: { readonly [Type in ActiveHealthConfig['type']]: ProbeFactory };
  readonly #lives: LifeWatch | null;
  readonly #slowStart: SlowStart;
  #watched = new Map<number, Watched>();
  #pools: readonly Pool[] = [];
  #timer: unknown = null;
  #running = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: HealthMonitorOptions) {
    this.#state = options.state;
    this.#logger = options.logger;
    this.#onChange = options.onChange ?? (() => {});
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#random = options.random ?? Math.random;
    this.#paused = options.paused ?? ((since) => threadWheel.paused(since, performance.now()));
    this.#probes = options.probes ?? PROBES;
    this.#lives = options.lives ?? null;
    this.#slowStart = new SlowStart(options.state);
  }

  /** Begins to watch the backends of these pools, which have their slots. */
  start(pools: readonly Pool[]): void {
    if (this.#running) throw new Error('the health monitor is running already');
    this.#running = true;
    // It tells when limpet stood still, and has to turn for that.
    threadWheel.start();
    this.update(pools);
    this.#schedule();
  }

  /** The pools after a reload. Backends that stay as they were keep their schedule and their counts (behaviour 44). */
  update(pools: readonly Pool[]): void {
    const before = this.#watched;
    this.#pools = pools;
    this.#lives?.update(pools);
    this.#watched = new Map();
    for (const pool of pools) {
      // Each pool's first probes are spread evenly over its interval.
      const phase = this.#random();
      const { active } = pool.config.health;
      pool.backends.forEach((backend, index) => {
        const delay = active === null ? 0 : (active.interval * (index + phase)) / pool.backends.length;
        const known = before.get(backend.slot);
        if (known === undefined || known.backend.generation !== backend.generation) {
          this.#watch(pool, backend, delay);
          return;
        }
        before.delete(backend.slot);
        this.#watched.set(backend.slot, known);
        const same = known.backend.url === backend.url && probesAlike(known.pool, pool);
        known.pool = pool;
        known.backend = backend;
        if (!same) this.#probeAnew(known, delay);
      });
    }
    for (const [slot, gone] of before) {
      void gone.loop?.stop();
      if (!this.#watched.has(slot)) this.#slowStart.cancel(slot);
    }
  }

  /** Stops at once: probes under way are broken off; resolves when the last has ended. */
  async stop(): Promise<void> {
    if (this.#running) threadWheel.stop();
    this.#running = false;
    this.#clock.clear(this.#timer);
    await Promise.all(Array.from(this.#watched.values(), ({ loop }) => loop?.stop()));
    for (const slot of this.#watched.keys()) this.#slowStart.cancel(slot);
    this.#lives?.stop();
    this.#watched.clear();
  }

  #watch(pool: Pool, backend: Backend, delay: number): void {
    const inMaintenance = this.#state.adminState(backend.slot) === 'maintenance';
    // Taken over from SharedState: the supervisor may be new, the state is not.
    const probeState: ProbeState = { health: this.#state.health(backend.slot), against: 0 };
    const watched: Watched = { pool, backend, loop: null, probeState, inMaintenance, ejected: false, ejectedLife: 0 };
    this.#watched.set(backend.slot, watched);
    if (!inMaintenance) this.#startProbes(watched, delay);
  }

  /** The address or the probes have changed: what is known of the backend's health holds no longer. */
  #probeAnew(watched: Watched, delay: number): void {
    void watched.loop?.stop();
    watched.loop = null;
    this.#forget(watched, 'not probed yet');
    if (!watched.inMaintenance) this.#startProbes(watched, delay);
  }

  #startProbes(watched: Watched, delay: number): void {
    const { active } = watched.pool.config.health;
    if (active === null) return;
    const probe = this.#probes[active.type](active, watched.pool.config, watched.pool.name);
    watched.loop = new ProbeLoop({
      backend: watched.backend,
      probe: this.#lives?.probe(active, probe) ?? probe,
      interval: active.interval,
      clock: this.#clock,
      random: this.#random,
      paused: this.#paused,
      onResult: (result) => this.#observe(watched, active, result),
    });
    watched.loop.start(delay);
  }

  #observe(watched: Watched, active: ActiveHealthConfig, result: ProbeResult): void {
    const { slot } = watched.backend;
    if (!result.ok && result.code === 'INTERNAL') return this.#tellOwnLimit(watched, result.reason);
    if (!result.ok && result.code !== null) this.#state.setLastError(slot, ERROR_CODES.indexOf(result.code));
    // Set to maintenance since the last look: nothing is said of it any more.
    if (this.#state.adminState(slot) === 'maintenance') return;
    const before = watched.probeState.health;
    const { health, against, flipped } = observe(watched.probeState, result.ok, active);
    watched.probeState = { health, against };
    if (result.ok && health === 'up') this.#lives?.well(watched.backend);
    if (!flipped) return;
    if (health === 'down') this.#slowStart.cancel(slot);
    else if (before === 'down') this.#startSlowly(watched);
    this.#setHealth(watched, health, result.ok ? 'probe succeeded' : result.reason);
    if (before === 'down' && this.#state.ejected(slot)) this.#return(watched, 'probes saw it recover');
  }

  /** Nobody was asked: whoever takes up all connections of this machine takes no backend out with them. */
  #tellOwnLimit({ backend }: Watched, reason: string): void {
    const now = this.#clock.now();
    if (Math.abs(now - this.#toldAt) < QUIET) return;
    this.#toldAt = now;
    const fields = { pool: backend.pool, backend: backend.id, reason };
    this.#logger.warn(fields, 'no connection for a probe can be opened: raise the limit on open files (ulimit -n)');
  }

  #setHealth(watched: Watched, health: Health, reason: string): void {
    if (this.#state.setHealth(watched.backend.slot, health)) this.#report(watched, health, reason);
  }

  #forget(watched: Watched, reason: string): void {
    watched.probeState = UNPROBED;
    this.#setHealth(watched, 'unknown', reason);
  }

  #startSlowly({ pool, backend }: Watched): void {
    this.#slowStart.begin(backend.slot, pool.config.health.slowStart, this.#clock.now());
  }

  #report({ backend }: Watched, to: HealthChange['to'], reason: string): void {
    const fields = { pool: backend.pool, backend: backend.id, reason };
    if (to === 'down' || to === 'ejected') this.#logger.warn(fields, `backend is ${to}`);
    else this.#logger.info(fields, to === 'unknown' ? 'health of backend is unknown' : `backend is ${to}`);
    this.#onChange({ backend, to, reason });
  }

  #schedule(): void {
    this.#timer = this.#clock.set(() => {
      this.#tick(this.#clock.now());
      if (this.#running) this.#schedule();
    }, TICK);
  }

  #tick(now: number): void {
    this.#slowStart.advance(now);
    this.#lives?.tick();
    for (const watched of this.#watched.values()) {
      this.#followAdminState(watched);
      this.#followEjection(watched, now);
    }
    for (const pool of this.#pools) {
      if (pool.backends.some(({ slot }) => this.#state.isOpen(slot))) continue;
      for (const { slot } of pool.backends) {
        const watched = this.#watched.get(slot);
        if (watched?.ejected === true) this.#return(watched, 'no other backend is available');
      }
    }
  }

  #followAdminState(watched: Watched): void {
    const { slot } = watched.backend;
    const inMaintenance = this.#state.adminState(slot) === 'maintenance';
    if (inMaintenance === watched.inMaintenance) return;
    watched.inMaintenance = inMaintenance;
    if (inMaintenance) {
      void watched.loop?.stop();
      watched.loop = null;
      this.#slowStart.cancel(slot);
      if (watched.probeState.health !== 'down') this.#forget(watched, 'in maintenance');
    } else {
      this.#startSlowly(watched);
      this.#startProbes(watched, 0);
    }
  }

  #followEjection(watched: Watched, now: number): void {
    const { slot, life } = watched.backend;
    if (!this.#state.ejected(slot)) return;
    const { passive } = watched.pool.config.health;
    if (!watched.ejected) {
      watched.ejected = true;
      watched.ejectedLife = life.isBack || life.number === 1 ? life.number : 0;
      this.#slowStart.cancel(slot);
      this.#report(watched, 'ejected', this.#state.lastError(slot) ?? 'too many failures');
    }
    // What the process before it did says nothing of this one.
    if (life.isBack && life.number !== watched.ejectedLife) return this.#return(watched, 'it was restarted');
    const left = this.#state.layout.ejectedUntil[slot]! - now;
    // Much more is left than an ejection lasts: the clock was set back. Passive health gone: nobody ejects any more.
    if (passive === null || left <= 0 || left > passive.eject + AHEAD_MS) this.#return(watched, 'its time is over');
  }

  #return(watched: Watched, reason: string): void {
    watched.ejected = false;
    this.#startSlowly(watched);
    if (this.#state.setEjected(watched.backend.slot, false)) this.#report(watched, 'returned', reason);
  }
}

/** Whether the backends of both are probed in the same way. */
function probesAlike({ config: one }: Pool, { config: other }: Pool): boolean {
  return (
    isDeepStrictEqual(one.health.active, other.health.active) &&
    isDeepStrictEqual(one.tls, other.tls) &&
    one.http2 === other.http2 &&
    one.sendProxyProtocol === other.sendProxyProtocol
  );
}
