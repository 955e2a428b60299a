import type { BalanceName } from '../config/schema.ts';
import { hash } from './hash.ts';
import { leastRequests } from './least-requests.ts';
import { leastTime } from './least-time.ts';
import type { PolicyFactory } from './policy.ts';
import { random } from './random.ts';
import { roundRobin } from './round-robin.ts';
import { twoChoices } from './two-choices.ts';

/** The policies by the name that `balance` gives them. One instance serves one pool in one thread. */
export const POLICIES: { readonly [Name in BalanceName]: PolicyFactory } = {
  'round-robin': roundRobin,
  'least-requests': leastRequests,
  'two-choices': twoChoices,
  random,
  hash,
  'least-time': leastTime,
};
