import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Gate, WAIT } from '../steps/admission.ts';
import { SessionStep } from '../steps/session-step.ts';
import type { ReadOnlyStore } from './read-only-store.ts';
import type { ReadOnlyTable } from './read-only-table.ts';

/** A pool's keys can be waited for, and a store be asked, so often for one request. */
const MOST_WAITS = 16;

/** Told when the session of a request is looked for. */
type SessionNote = (runtime: PoolRuntime, looks: boolean) => void;

/**
 * Finds the session of a request that is explained as requests do, in views of table and store that change nothing, and
 * a bounded number of times.
 */
export class ExplainedSession extends SessionStep {
  readonly #note: SessionNote;
  #waits = 0;

  constructor(table: ReadOnlyTable, store: ReadOnlyStore, note: SessionNote) {
    super({ table, store, labelled: { add() {} }, log: { warn() {} }, journal: () => null, requester: { client: '' } });
    this.#note = note;
  }

  /** Also of routes without sessions: that is to be told. */
  override isFor(): boolean {
    return true;
  }

  override enter(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null {
    const looks = super.isFor(x.route!, runtime);
    this.#note(runtime, looks);
    return looks ? super.enter(x, runtime, gate) : null;
  }

  override again(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null {
    return ++this.#waits > MOST_WAITS ? ERRORS.STORE_DOWN : super.again(x, runtime, gate);
  }

  override ask(x: Exchange, runtime: PoolRuntime, gate: Gate, found: () => void): void {
    if (++this.#waits > MOST_WAITS) gate.turnAway(x, x.serial, ERRORS.STORE_DOWN);
    else super.ask(x, runtime, gate, found);
  }
}
