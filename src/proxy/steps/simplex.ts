import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Route } from '../../routing/router.ts';
import type { AdmissionStep } from './admission.ts';
import { passed } from './passed.ts';
import type { Looked, StepKind } from './step-kind.ts';

/**
 * Methods that a pool with `session.dialog: simplex` lets through, for the Allow field of its 405 (RFC 9110 15.5.6).
 */
export const SIMPLEX_METHODS = 'GET, HEAD';

/** `session.dialog: simplex`: what only reads. An upgrade could say anything afterwards. */
class Simplex implements AdmissionStep {
  isFor(_route: Route, { pool }: PoolRuntime): boolean {
    return pool.config.session.dialog === 'simplex';
  }

  enter(x: Exchange): ErrorKind | null {
    return (x.method === 'GET' || x.method === 'HEAD') && x.upgrade === '' ? null : ERRORS.METHOD_NOT_ALLOWED;
  }
}

const step = new Simplex();

/** `session.dialog: simplex`. */
export const SIMPLEX: StepKind = { name: 'simplex', make: () => step, look };

function look(x: Exchange, { pool }: PoolRuntime): Looked | null {
  if (pool.config.session.dialog !== 'simplex') return null;
  const error = step.enter(x);
  const what = 'The dialog of the pool is simplex, GET and HEAD without an upgrade';
  return error === null
    ? passed('dialog', 'allowed', `${what}: this is one.`)
    : { step: { step: 'dialog', outcome: 'refused', detail: `${what}: this is none.` }, error };
}
