import type { Backend } from '../backends/backend.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import { Stage } from '../exchange/stage.ts';

/** Retries that are always allowed at once, however few requests are in flight. */
const ALWAYS = 3;

/**
 * Whether a request whose attempt ended at `stage` may be sent again (behaviours 27 to 29): always while nothing of it
 * was sent, when its method allows it while it may have been, never once the client has part of a response, save for
 * the rest of one that can go on elsewhere.
 */
export function mayRetry(x: Exchange, stage: Stage): boolean {
  if (stage === Stage.committed || (x.committed && x.resumption === null)) return false;
  // A body of which a part is gone cannot be sent again.
  if (!x.replayable) return false;
  return stage === Stage.connect || x.idempotent;
}

/** A backend counts as sound again when it has not failed for so long, ms, or was restarted since. */
const SOUND_MS = 10_000;

/**
 * Whether there is room for one more retry at `target`: a dying pool must not get several times its load (behaviour
 * 38). The budget protects backends that are failing. When one backend dies, a third of all requests may fail in the
 * same instant, more than any sensible share; those go to a replica that has not failed, and are not held up.
 */
export function withinBudget(x: Exchange, runtime: PoolRuntime, target: Backend, now: number): boolean {
  if (runtime.failures.ago(target, now) > SOUND_MS) return true;
  // The one that asks is counted among the retrying already when this is not its first retry.
  const others = runtime.retrying - (x.retrying ? 1 : 0);
  return others < Math.max(ALWAYS, runtime.active * runtime.pool.config.retry.budget);
}
