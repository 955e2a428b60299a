import type { CookieProof } from '../../affinity/strategy.ts';
import type { Claim } from '../../sessions/store/store.ts';
import type { Lookup } from '../../sessions/table/lookup.ts';
import type { Row } from '../../sessions/table/row.ts';

/** Something that happened while the session of a request was looked for. */
export type TrailEvent =
  /** A strategy looked for its `nth` key; `result` is a value of Find. `place`: of the strategy in the pool's list. */
  | {
      readonly kind: 'find';
      readonly place: number;
      readonly nth: number;
      readonly result: number;
      readonly id: string;
    }
  /** The table was asked for a key; `row` is a copy. */
  | { readonly kind: 'lookup'; readonly id: string; readonly found: Lookup; readonly row: Row }
  /** A cookie's proof was checked; null: it does not hold. */
  | { readonly kind: 'verify'; readonly id: string; readonly proof: CookieProof | null }
  /** The store was asked; null: the store is this process's memory, and was not. */
  | { readonly kind: 'ask'; readonly id: string; readonly answer: Claim };

/** What happened, in order. */
export type Trail = TrailEvent[];
