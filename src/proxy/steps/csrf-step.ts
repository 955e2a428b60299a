import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../upstream/pool-runtime.ts';
import type { AdmissionStep, Gate } from './admission.ts';

/** Routes with `csrf: reject-cross-site`: nothing that another site made a browser send. */
export class CsrfStep implements AdmissionStep {
  enter(x: Exchange, _runtime: PoolRuntime, gate: Gate): ErrorKind | null {
    const { csrf } = x.route!;
    return csrf === null || !csrf.refuses(gate.head(x), x.upgrade !== '', x.client) ? null : ERRORS.CROSS_SITE;
  }
}
