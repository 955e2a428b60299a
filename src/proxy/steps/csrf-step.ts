import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Route } from '../../routing/router.ts';
import type { AdmissionStep, Gate } from './admission.ts';

/** Routes with `csrf: reject-cross-site`: nothing that another site made a browser send. */
export class CsrfStep implements AdmissionStep {
  isFor({ csrf }: Route): boolean {
    return csrf !== null;
  }

  enter(x: Exchange, _runtime: PoolRuntime, gate: Gate): ErrorKind | null {
    return x.route!.csrf!.refuses(gate.head(x), x.upgrade !== '', x.client) ? ERRORS.CROSS_SITE : null;
  }
}
