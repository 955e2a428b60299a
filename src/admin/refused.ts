import type { Answer } from './answer.ts';
import type { Refused } from './control-plane.ts';
import { type Mistake, problem } from './problem.ts';

export type { Refused } from './control-plane.ts';

/** A wish that cannot be granted. `detail`: one sentence that says why and what to do. */
export function refused(status: Refused['status'], detail: string, errors: readonly Mistake[] = []): Refused {
  return errors.length === 0 ? { ok: false, status, detail } : { ok: false, status, detail, errors };
}

/** The answer that says so. `instance`: path of the request. */
export function refusal({ status, detail, errors }: Refused, instance: string): Answer {
  return problem(status, detail, instance, {}, errors);
}
