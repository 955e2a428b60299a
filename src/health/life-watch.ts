import { connect, type Socket } from 'node:net';
import type { Backend } from '../backends/backend.ts';
import { backendAddress } from '../backends/backend-address.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { ActiveHealthConfig } from '../config/schema.ts';
import type { Clock } from '../timing/clock.ts';
import { Deadline } from '../timing/deadline.ts';
import { BackendSigns } from './backend-signs.ts';
import { Lifeline } from './lifeline.ts';
import type { Probe, ProbeResult } from './probe.ts';
import type { Restarts } from './restarts.ts';
import { ThreadWatch, Verdict } from './thread-watch.ts';
import { Witness } from './witness.ts';

/** The longest that a look waits for the backend's system to accept, ms: what does not answer has not ended. */
const LOOK_MS = 1_000;
/**
 * After the end of the workers' last connection a look waits so long, ms: traffic may look first. And so long after the
 * end of a lifeline comes another look: a process may close its connections a moment before its port.
 */
const LATER_MS = 100;
/** Between two looks at a backend in maintenance, and between two tries of a silent connection, ms. */
const REST_MS = 1_000;
/** Between two looks at a process that is gone, ms: whoever moves from it is told soon whether it is back. */
const RETURN_MS = 50;
/** Between two looks after a connection was let go for others, ms. */
const SOON_MS = 20;

/** What a LifeWatch works with. */
interface LifeWatchParts {
  readonly state: SharedState;
  readonly restarts: Restarts;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** Has the workers close what they keep of the connections to a backend for nothing but its end. */
  readonly letGo: (slot: number) => void;
}

interface Watched {
  readonly backend: Backend;
  pool: Pool;
  readonly lifeline: Lifeline;
  threads: ThreadWatch;
  /** No connection is held to it any more: it has one thread. */
  barred: boolean;
  /** A connect that only looks. */
  look: Socket | null;
  /** Of a look that is to come. */
  timer: unknown;
  /** Of the next look for the return of a process that is gone; null: none is to come. */
  returns: unknown;
  /** A connection that sends nothing, with `lifeline: silent`. */
  silent: Socket | null;
  restsUntil: number;
  /** The life that the latest good probe was begun in. */
  life: number;
}

/**
 * The supervisor's part in noticing that the process of a backend has ended (behaviour 114): it keeps the connection of
 * the latest probe, and looks at once, by another connect, when that one or the last one of the workers has ended:
 * refused is a sign, accepted is not.
 */
export class LifeWatch {
  readonly #parts: LifeWatchParts;
  readonly #signs: BackendSigns;
  #watched = new Map<number, Watched>();

  constructor(parts: LifeWatchParts) {
    this.#parts = parts;
    const { state, restarts, log, clock, letGo } = parts;
    this.#signs = new BackendSigns({
      state,
      restarts,
      log,
      onLastLost: (slot) => this.look(slot),
      onRelieved: letGo,
      now: () => clock.now(),
    });
  }

  /** The pools from here on. */
  update(pools: readonly Pool[]): void {
    const before = this.#watched;
    this.#watched = new Map();
    for (const pool of pools) {
      for (const backend of pool.backends) {
        const { slot, generation, url } = backend;
        const known = before.get(slot);
        const same = known !== undefined && known.backend.generation === generation && known.backend.url === url;
        const watched = same ? known : this.#watch(pool, backend);
        if (same) before.delete(slot);
        watched.pool = pool;
        this.#watched.set(slot, watched);
        this.#allow(watched);
      }
    }
    for (const gone of before.values()) this.#drop(gone);
  }

  /** The file was read again: servers that had one thread may have more. */
  forgive(): void {
    for (const watched of this.#watched.values()) {
      watched.barred = false;
      watched.threads = new ThreadWatch();
      this.#allow(watched);
    }
  }

  stop(): void {
    for (const watched of this.#watched.values()) this.#drop(watched);
    this.#watched.clear();
  }

  /** The same probe, which tells what it sees of the backend's life on the way. */
  probe(config: ActiveHealthConfig, probe: Probe): Probe {
    return { check: (backend, signal) => this.#check(config, probe, backend, signal) };
  }

  /** Probes say that the backend is well. */
  well({ slot, life }: Backend): void {
    const asked = this.#watched.get(slot)?.life ?? 0;
    if (asked > 0) life.answer(asked);
  }

  /** To be called every 200 ms. */
  tick(): void {
    const { clock, state } = this.#parts;
    const now = clock.now();
    for (const watched of this.#watched.values()) {
      const { backend, lifeline, pool } = watched;
      if (lifeline.holds || watched.threads.waits(now)) this.#lookAtThreads(watched);
      this.#lookForReturn(watched);
      const rests = watched.restsUntil - now;
      // More than it may rest: the clock was set back.
      if (rests > 0 && rests <= REST_MS) continue;
      const mode = pool.config.health.lifeline;
      if (mode === 'silent' && watched.silent === null) this.#openSilent(watched);
      // It is restarted most often while it is in maintenance, when no probe looks.
      else if (mode !== 'off' && !lifeline.holds && state.adminState(backend.slot) === 'maintenance') {
        watched.restsUntil = now + REST_MS;
        this.#connect(watched);
      }
    }
  }

  /** The last connection to the backend of this slot has ended. */
  look(slot: number): void {
    const watched = this.#watched.get(slot);
    if (watched !== undefined) this.#lookLater(watched);
  }

  #watch(pool: Pool, backend: Backend): Watched {
    const watched: Watched = {
      backend,
      pool,
      lifeline: new Lifeline(backend, this.#signs, () => this.#lifelineLost(watched)),
      threads: new ThreadWatch(),
      barred: false,
      look: null,
      timer: null,
      returns: null,
      silent: null,
      restsUntil: 0,
      life: 0,
    };
    return watched;
  }

  #drop(watched: Watched): void {
    this.#parts.clock.clear(watched.timer);
    this.#parts.clock.clear(watched.returns);
    watched.look?.destroy();
    watched.lifeline.allow(false);
    this.#closeSilent(watched);
  }

  #allow({ backend, pool, barred, lifeline }: Watched): void {
    const off = pool.config.health.lifeline === 'off' || barred;
    this.#parts.state.layout.noLifeline[backend.slot] = off ? 1 : 0;
    lifeline.allow(!off);
    if (off) this.#parts.letGo(backend.slot);
    const watched = this.#watched.get(backend.slot);
    if (watched !== undefined && pool.config.health.lifeline !== 'silent') this.#closeSilent(watched);
  }

  async #check(config: ActiveHealthConfig, probe: Probe, backend: Backend, signal: AbortSignal): Promise<ProbeResult> {
    const signs = this.#signs;
    const watched = this.#watched.get(backend.slot);
    // What answers at another port may be another process.
    const own = config.port === null || config.port === backend.port || backend.socketPath !== null;
    if (watched === undefined || !own) return probe.check(backend, signal);
    const life = backend.life.number;
    const begun = signs.begins(backend);
    const flips = signs.boots.flips(backend.slot);
    const off = watched.pool.config.health.lifeline === 'off' || watched.barred;
    const witness = new Witness(off ? null : watched.lifeline);
    const result = await probe.check(backend, signal, witness);
    if (signal.aborted) return result;
    if (result.ok) watched.life = life;
    const { error, boot } = witness;
    if (error !== null) signs.refused(backend, begun, error);
    if (boot !== null) signs.boot(backend, boot, life, flips);
    return result;
  }

  #lookAtThreads(watched: Watched): void {
    const { state, clock, log } = this.#parts;
    const { backend, lifeline, threads } = watched;
    const now = clock.now();
    switch (threads.look(lifeline.held, state.active(backend.slot), state.requests(backend.slot), now)) {
      case Verdict.letGo:
        lifeline.letGo();
        this.#lookSoon(watched);
        break;
      case Verdict.never:
        watched.barred = true;
        this.#allow(watched);
        log.warn(
          { pool: backend.pool, backend: backend.id },
          'backend answers nobody while an idle connection is open, so none is kept to it: give it more threads, or boot ids (Limpet-Backend: boot=ID), for its restarts to be noticed at once',
        );
        break;
    }
  }

  #lookSoon(watched: Watched): void {
    const { clock } = this.#parts;
    clock.set(() => {
      if (!watched.threads.waits(clock.now())) return;
      this.#lookAtThreads(watched);
      this.#lookSoon(watched);
    }, SOON_MS);
  }

  /** Looks in a moment, unless a connection stands again by then: that one was accepted. */
  #lookLater(watched: Watched): void {
    const { clock } = this.#parts;
    clock.clear(watched.timer);
    watched.timer = clock.set(() => {
      if (this.#signs.stand(watched.backend) === 0) this.#connect(watched);
    }, LATER_MS);
  }

  #lifelineLost(watched: Watched): void {
    if (this.#signs.stand(watched.backend) === 0) this.#connect(watched);
    this.#lookLater(watched);
  }

  /** A process has ended: looks until another one takes its place. */
  #lookForReturn(watched: Watched): void {
    const { life, slot } = watched.backend;
    const { state, clock } = this.#parts;
    if (life.number === 1 || life.isBack || state.adminState(slot) === 'maintenance') return;
    // One look at a time, and one that is to come: a server may be away for hours.
    if (watched.look !== null || watched.returns !== null) return;
    const { number } = life;
    this.#open(watched, {
      accepted: () => life.accept(number),
      refused: () => {
        if (this.#watched.get(slot) !== watched) return;
        watched.returns = clock.set(() => {
          watched.returns = null;
          this.#lookForReturn(watched);
        }, RETURN_MS);
      },
    });
  }

  /** Connects, and closes at once. */
  #connect(watched: Watched): void {
    const signs = this.#signs;
    const { backend } = watched;
    const begun = signs.begins(backend);
    if (watched.look !== null || begun === 0) return;
    this.#open(watched, {
      accepted: () => {},
      refused: (error) => {
        signs.refused(backend, begun, error);
        this.#lookForReturn(watched);
      },
    });
  }

  /** Two at a time are one too many. */
  #open(
    watched: Watched,
    { accepted, refused }: { readonly accepted: () => void; readonly refused: (error: Error) => void },
  ): void {
    const socket = connect(backendAddress(watched.backend));
    watched.look = socket;
    let problem: Error | null = null;
    const deadline = new Deadline(LOOK_MS, () => socket.destroy());
    socket.once('connect', () => {
      accepted();
      socket.destroy();
    });
    socket.on('error', (error) => {
      problem = error;
    });
    socket.once('close', () => {
      deadline.cancel();
      watched.look = null;
      if (problem !== null) refused(problem);
    });
  }

  #openSilent(watched: Watched): void {
    const { clock } = this.#parts;
    const signs = this.#signs;
    const { backend } = watched;
    const begun = signs.begins(backend);
    const socket = connect({ ...backendAddress(backend), keepAlive: true, keepAliveInitialDelay: 1_000 });
    watched.silent = socket;
    let open = false;
    socket.once('connect', () => {
      open = true;
      signs.opened(backend);
    });
    socket.on('error', (error) => {
      if (!open) signs.refused(backend, begun, error);
    });
    socket.once('close', () => {
      const lost = watched.silent === socket;
      if (lost) watched.silent = null;
      watched.restsUntil = clock.now() + REST_MS;
      if (!open) return;
      signs.closed(backend, lost);
      if (lost) this.#lifelineLost(watched);
    });
    socket.resume();
  }

  #closeSilent(watched: Watched): void {
    const { silent } = watched;
    watched.silent = null;
    silent?.destroy();
  }
}
