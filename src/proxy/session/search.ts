/**
 * What came of the search. `pending`: wait for `x.found.wait`, then search again; `asking`: wait for `x.asked`, then
 * see `answered`; `refused`: the store that nodes share is down, and sessions are to be refused then; `again`: search
 * again; `foreign`: the session is bound to another client, and such requests are to be refused; `unavailable`: nobody
 * can tell yet whether its token is good.
 */
export const Search = {
  done: 0,
  awaitKeys: 1,
  rejected: 2,
  awaitStore: 3,
  refused: 4,
  restart: 5,
  foreign: 6,
  unavailable: 7,
} as const;

/** One of the values of Search. */
export type Search = (typeof Search)[keyof typeof Search];
