import type { HealthChange } from '../../health/health-change.ts';
import type { LabelledMetric } from '../../metrics/labelled-counters.ts';
import type { LabelledTotals } from '../../metrics/labelled-totals.ts';
import type { StoreState } from '../../sessions/store/store-state.ts';
import type { AdminChange } from '../admin-change.ts';
import type { Phase } from '../control-plane.ts';
import type { ReloadOutcome } from '../reloads.ts';
import type { EventStream } from './event-stream.ts';
import type { LimpetEvent } from './limpet-event.ts';

/** How long what happens often is counted before it is told. */
const TICK_MS = 250;
/** What goes on and on is told so often at most: it must not push everything else out of what is kept. */
const AGAIN_MS = 1_000;
/** Changes and mistakes of a reload that one event lists. */
const LISTED = 20;

/** Where events come from that nobody calls in: they are looked at a few times a second. */
interface EventSourcesParts {
  readonly stream: EventStream;
  readonly labelled: LabelledTotals;
  readonly phase: () => Phase;
  /** Workers that were started again. */
  readonly restarts: () => number;
  /** Rows that had to leave a full table. */
  readonly evictions: () => number;
  /** Monotonic, ms. */
  readonly now?: () => number;
  /** Absent: sessions are in this process's memory alone. */
  readonly store?: () => StoreState;
}

/** Something that is counted for a while, and the key of the first one. */
interface Burst {
  readonly event: Counted;
  readonly key: string;
  count: number;
}

type Counted = Extract<LimpetEvent, { event: 'session-ended' | 'session-moved' }>;

/**
 * Makes events of what happens in a running limpet, so that a burst is one event with a count. Runs in the supervisor.
 */
export class EventSources {
  readonly #parts: EventSourcesParts;
  readonly #bursts = new Map<string, Burst>();
  /** By series of a metric: how much of it has been told, and when. */
  readonly #series = new WeakMap<object, { count: number; at: number }>();
  readonly #now: () => number;
  #restarts = 0;
  #evictions = 0;
  #storeUp: boolean | null = null;
  #phase: Phase = 'starting';
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: EventSourcesParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    this.#evictions = parts.evictions();
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), TICK_MS);
    this.#timer.unref();
  }

  /** Tells what is not told yet, and ends the stream. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.look(true);
    this.#parts.stream.close();
  }

  /** A health flip. */
  health({ backend, to, reason }: HealthChange): void {
    this.#parts.stream.publish({ event: 'health', pool: backend.pool, backend: backend.id, to, reason });
  }

  /** Something that an operator did. */
  admin(change: AdminChange): void {
    const { stream } = this.#parts;
    switch (change.kind) {
      case 'backend': {
        const { pool, backend, before, after } = change;
        return stream.publish({ event: 'backend-changed', pool, backend, before, after });
      }
      case 'backend-evacuated': {
        const { pool, backend, moved, stayed } = change;
        return stream.publish({ event: 'backend-evacuated', pool, backend, moved, stayed });
      }
      case 'session-ended': {
        const { pool, backend, key } = change;
        return this.#count({ event: 'session-ended', pool, backend, reason: 'operator', count: 1 }, key);
      }
      case 'session-moved': {
        const { pool, from, to, key } = change;
        return this.#count({ event: 'session-moved', pool, from, to, reason: 'operator', count: 1 }, key);
      }
    }
  }

  /** How a reload went. */
  reloaded(outcome: ReloadOutcome): void {
    const { stream } = this.#parts;
    if (outcome.ok) {
      const { generation, changes } = outcome;
      const listed = changes.slice(0, LISTED);
      stream.publish({ event: 'reload', ok: true, generation, changed: changes.length, changes: listed });
    } else {
      const { errors } = outcome;
      stream.publish({ event: 'reload', ok: false, mistakes: errors.length, errors: errors.slice(0, LISTED) });
    }
  }

  /** Tells what has happened since the last look. @param last nothing is kept for the next one */
  look(last = false): void {
    const { stream, phase, restarts, store } = this.#parts;
    this.#grown('limpet_failovers_total', last, ([pool = '', from = '', to = '', reason = ''], count) => {
      // What an operator moves is told with the session's key.
      if (reason !== 'operator') stream.publish({ event: 'failover', pool, from, to, reason, count });
    });
    this.#grown('limpet_backend_restarts_total', last, ([pool = '', backend = '', sign = ''], count) =>
      stream.publish({ event: 'backend-restarted', pool, backend, sign, count }),
    );
    this.#grown('limpet_binding_mismatches_total', last, ([pool = '', action = ''], count) =>
      stream.publish({ event: 'binding-mismatch', pool, action, count }),
    );
    for (const { event, key, count } of this.#bursts.values())
      stream.publish(count === 1 ? { ...event, key } : { ...event, count });
    this.#bursts.clear();
    this.#lookAtEvictions();
    const restarted = restarts();
    if (restarted > this.#restarts)
      stream.publish({ event: 'worker-restart', count: restarted - this.#restarts, restarts: restarted });
    this.#restarts = restarted;
    const up = store?.().up ?? null;
    // The first answer says how things stand at the start.
    if (up !== null && this.#storeUp !== null && up !== this.#storeUp) stream.publish({ event: 'store', up });
    this.#storeUp = up;
    const state = phase();
    if (state !== this.#phase) stream.publish({ event: 'state', state });
    this.#phase = state;
  }

  /** Calls with what each series of a metric has grown by since it was told last. */
  #grown(metric: LabelledMetric, last: boolean, tell: (labels: readonly string[], count: number) => void): void {
    const now = this.#now();
    for (const series of this.#parts.labelled.series(metric)) {
      const { labels, count } = series;
      const told = this.#series.get(series);
      if (told === undefined) this.#series.set(series, { count, at: now });
      else if (told.count === count || (!last && now - told.at < AGAIN_MS)) continue;
      tell(labels, count - (told?.count ?? 0));
      if (told === undefined) continue;
      told.count = count;
      told.at = now;
    }
  }

  #lookAtEvictions(): void {
    const evictions = this.#parts.evictions();
    const count = evictions - this.#evictions;
    this.#evictions = evictions;
    if (count <= 0) return;
    this.#parts.stream.publish({ event: 'session-ended', pool: null, backend: null, reason: 'evicted', count });
  }

  #count(event: Counted, key: string): void {
    const series = JSON.stringify(event);
    const burst = this.#bursts.get(series);
    if (burst === undefined) this.#bursts.set(series, { event, key, count: 1 });
    else burst.count++;
  }
}
