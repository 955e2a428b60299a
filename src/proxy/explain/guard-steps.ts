import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import type { Key } from '../../keys/key.ts';
import { MACHINE_TIME } from '../../timing/machine-time.ts';
import type { PassedStep } from '../request-steps.ts';
import { Simplex } from '../steps/simplex.ts';
import type { ExplainStep } from './explanation.ts';
import { spokenTime } from './spoken-time.ts';

/** What a step would do, looked at without taking a token or a turn. Null: nobody asks for it. */
type Look = (
  x: Exchange,
  runtime: PoolRuntime,
  ahead: (key: Key) => number,
  head: Head,
) => { readonly step: ExplainStep; readonly error: ErrorKind | null } | null;

/**
 * The steps between the route and the backend of a request, but for the search for its session: each as requests pass it, told for people.
 * `ahead` says how many requests of a session have their turn or wait for it.
 */
export const GUARD_STEPS: Readonly<Record<Exclude<PassedStep, 'session'>, Look>> = {
  'address-limit': (x, runtime) => rateStep(x, runtime, false),
  csrf: (x, _runtime, _ahead, head) => csrfStep(x, head),
  'session-limit': (x, runtime) => rateStep(x, runtime, true),
  simplex: (x, runtime) => methodStep(x, runtime),
  user: (x, runtime) => userStep(x, runtime),
  turn: (x, runtime, ahead) => turnStep(x, runtime, ahead),
};

type Looked = ReturnType<Look>;

function rateStep(x: Exchange, { limiter }: PoolRuntime, perSession: boolean): Looked {
  if (limiter === null || limiter.perSession !== perSession) return null;
  const now = performance.now() + MACHINE_TIME;
  const session = perSession && x.strategy !== null;
  const wait = session ? limiter.peekSession(x.found.key, now) : limiter.peekAddress(x.client.address, now);
  const whose = session ? 'the session' : "the client's address";
  const limit = `a request every ${spokenTime(limiter.interval)} for ${whose}, ${limiter.burst} at once`;
  if (wait === 0) return passed('rate-limit', 'below', `Within ${limit}.`);
  return {
    step: { step: 'rate-limit', outcome: 'over', detail: `Over ${limit}: the next one in ${spokenTime(wait)}.` },
    error: ERRORS.RATE_LIMITED,
  };
}

function csrfStep(x: Exchange, head: Head): Looked {
  const { csrf } = x.route!;
  if (csrf === null) return null;
  if (!csrf.refuses(head, x.upgrade !== '', x.client)) {
    const why = 'It changes nothing, comes from the site itself or an origin that is allowed, or from no browser.';
    return passed('csrf', 'passes', why);
  }
  const detail = 'It changes something, and by Sec-Fetch-Site or Origin another site made the browser send it.';
  return { step: { step: 'csrf', outcome: 'refused', detail }, error: ERRORS.CROSS_SITE };
}

const simplex = new Simplex();

function methodStep(x: Exchange, runtime: PoolRuntime): Looked {
  if (runtime.pool.config.session.dialog !== 'simplex') return null;
  const error = simplex.enter(x);
  const what = 'The dialog of the pool is simplex, GET and HEAD without an upgrade';
  return error === null
    ? passed('dialog', 'allowed', `${what}: this is one.`)
    : { step: { step: 'dialog', outcome: 'refused', detail: `${what}: this is none.` }, error };
}

function userStep(x: Exchange, { pool }: PoolRuntime): Looked {
  const { max, whenFull, header, claim } = pool.config.session.perUser;
  if (max === 0) return null;
  const known = x.hasRow && (x.row.userA !== 0 || x.row.userB !== 0);
  if (known)
    return passed('user', 'known', `The session is one of its user's already, and counts among at most ${max}.`);
  const source = header === null ? `the claim ${claim} of its token` : `the header ${header}`;
  const full =
    whenFull === 'refuse' ? 'a further one is refused with 429' : 'the least recently seen one ends for a further one';
  return passed(
    'user',
    'not looked at',
    `A user may have ${max} session${max === 1 ? '' : 's'}, and ${full}. Whose this one is, ${source} or the application says: that is not looked at here.`,
  );
}

function turnStep(x: Exchange, { pool }: PoolRuntime, ahead: (key: Key) => number): Looked {
  const { dialog, dialogQueue } = pool.config.session;
  if (dialog !== 'half-duplex') return null;
  if (x.strategy === null || x.fresh)
    return passed('dialog', 'at once', 'A new session has no other requests to wait for.');
  const before = ahead(x.found.key);
  if (before === 0) return passed('dialog', 'at once', 'No other request of the session is under way.');
  if (before > dialogQueue.max) {
    const detail = `${before} requests of the session are under way or wait, and at most ${dialogQueue.max} may wait.`;
    return { step: { step: 'dialog', outcome: 'refused', detail }, error: ERRORS.DIALOG_QUEUE_FULL };
  }
  return passed(
    'dialog',
    'waits',
    `It waits for ${before} request${before === 1 ? '' : 's'} of its session, for at most ${spokenTime(dialogQueue.wait)}.`,
  );
}

function passed(step: string, outcome: string, detail: string): { readonly step: ExplainStep; readonly error: null } {
  return { step: { step, outcome, detail }, error: null };
}
