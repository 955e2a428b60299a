import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import type { Route } from '../../routing/router.ts';
import type { AdmissionStep, Gate } from './admission.ts';
import { passed } from './passed.ts';
import type { Looked, StepKind } from './step-kind.ts';

/** Routes with `csrf: reject-cross-site`: nothing that another site made a browser send. */
class CsrfStep implements AdmissionStep {
  isFor({ csrf }: Route): boolean {
    return csrf !== null;
  }

  enter(x: Exchange, _runtime: PoolRuntime, gate: Gate): ErrorKind | null {
    return x.route!.csrf!.refuses(gate.head(x), x.upgrade !== '', x.client) ? ERRORS.CROSS_SITE : null;
  }
}

/** `csrf`. */
export const CSRF: StepKind = { name: 'csrf', make: () => new CsrfStep(), look };

function look(x: Exchange, _runtime: PoolRuntime, head: Head): Looked | null {
  const { csrf } = x.route!;
  if (csrf === null) return null;
  if (!csrf.refuses(head, x.upgrade !== '', x.client)) {
    const why = 'It changes nothing, comes from the site itself or an origin that is allowed, or from no browser.';
    return passed('csrf', 'passes', why);
  }
  const detail = 'It changes something, and by Sec-Fetch-Site or Origin another site made the browser send it.';
  return { step: { step: 'csrf', outcome: 'refused', detail }, error: ERRORS.CROSS_SITE };
}
