import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../forwarding/exchange.ts';
import type { PoolTraffic } from '../../forwarding/pool-traffic.ts';
import type { Key } from '../../sessions/key.ts';
import { MACHINE_TIME } from '../../timing/machine-time.ts';
import { Simplex } from '../simplex.ts';
import type { ExplainStep } from './explanation.ts';
import { spokenTime } from './spoken-time.ts';

/** What a request has to pass between its session and its backend, looked at without taking a token or a turn. */
export interface GuardSteps {
  readonly steps: readonly ExplainStep[];
  /** What it would be refused with; null: it would pass. */
  readonly error: ErrorKind | null;
}

/** @param ahead how many requests of a session have their turn or wait for it */
export function guardSteps(x: Exchange, traffic: PoolTraffic, ahead: (key: Key) => number): GuardSteps {
  const steps: ExplainStep[] = [];
  for (const look of [rateStep, methodStep, userStep, turnStep]) {
    const found = look(x, traffic, ahead);
    if (found === null) continue;
    steps.push(found.step);
    if (found.error !== null) return { steps, error: found.error };
  }
  return { steps, error: null };
}

type Look = (
  x: Exchange,
  traffic: PoolTraffic,
  ahead: (key: Key) => number,
) => { readonly step: ExplainStep; readonly error: ErrorKind | null } | null;

const rateStep: Look = (x, { limiter }) => {
  if (limiter === null) return null;
  const now = performance.now() + MACHINE_TIME;
  const session = limiter.perSession && x.strategy !== null;
  const wait = session ? limiter.peekSession(x.found.key, now) : limiter.peekAddress(x.client.address, now);
  const whose = session ? 'the session' : "the client's address";
  const limit = `a request every ${spokenTime(limiter.interval)} for ${whose}, ${limiter.burst} at once`;
  if (wait === 0) return passed('rate-limit', 'below', `Within ${limit}.`);
  return {
    step: { step: 'rate-limit', outcome: 'over', detail: `Over ${limit}: the next one in ${spokenTime(wait)}.` },
    error: ERRORS.RATE_LIMITED,
  };
};

const simplex = new Simplex();

const methodStep: Look = (x, traffic) => {
  if (traffic.pool.config.session.dialog !== 'simplex') return null;
  const error = simplex.enter(x, traffic);
  const what = 'The dialog of the pool is simplex, GET and HEAD without an upgrade';
  return error === null
    ? passed('dialog', 'allowed', `${what}: this is one.`)
    : { step: { step: 'dialog', outcome: 'refused', detail: `${what}: this is none.` }, error };
};

const userStep: Look = (x, { pool }) => {
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
};

const turnStep: Look = (x, { pool }, ahead) => {
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
};

function passed(step: string, outcome: string, detail: string): { readonly step: ExplainStep; readonly error: null } {
  return { step: { step, outcome, detail }, error: null };
}
