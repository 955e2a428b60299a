import type { Looked } from './step-kind.ts';

/** What explain says of a step that lets a request through. */
export function passed(step: string, outcome: string, detail: string): Looked {
  return { step: { step, outcome, detail }, error: null };
}
