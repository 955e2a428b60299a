import { CSRF } from './steps/csrf-step.ts';
import { ADDRESS_LIMIT, SESSION_LIMIT } from './steps/rate-limit-step.ts';
import { SESSION } from './steps/session-step.ts';
import { TURN } from './steps/session-turn.ts';
import { USER } from './steps/session-user.ts';
import { SIMPLEX } from './steps/simplex.ts';
import type { StepKind } from './steps/step-kind.ts';

/**
 * What every request passes between its route and the choice of its backend, in this order (behaviour 118): the handler
 * has its steps from here, and so has explain. What needs no session comes before the session is looked for, what is
 * cheap before what costs time; only a request that has passed all of it, up to the backend that was chosen for it,
 * counts as one of its session.
 */
export const REQUEST_STEPS: readonly StepKind[] = [ADDRESS_LIMIT, CSRF, SESSION, SESSION_LIMIT, SIMPLEX, USER, TURN];
