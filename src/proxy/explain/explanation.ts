import type { ErrorCode } from '../../errors.ts';
import type { Outcome } from '../../metrics/outcomes.ts';

/** A request that nobody sends, to be explained. */
export interface ExplainQuery {
  readonly method: string;
  /** `http://host/path`, `https://host/path`, or a path alone. */
  readonly url: string;
  /** Several values of one name are several lines. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The other end of the client's connection; null: an address of this machine. */
  readonly ip: string | null;
}

/** One step of the decision. */
export interface ExplainStep {
  /**
   * Where in the path of a request it is taken: `request`, `route`, `csrf`, `pool`, `affinity`, `session`, `cookie`, …
   */
  readonly step: string;
  /** What came of it, in a word or two. */
  readonly outcome: string;
  /** The same and why, for people. Never what the client sent as its key. */
  readonly detail: string;
}

/** A backend that could get the request. */
export interface ExplainCandidate {
  readonly id: string;
  /** The weight that counts now, with a slow start. */
  readonly weight: number;
  readonly activeRequests: number;
}

/** What a request would get if it came now, and why. */
export interface Explanation {
  /** Place of the route in the configuration, from 0; null: none matches. */
  readonly route: number | null;
  readonly pool: string | null;
  /** Public id of the session that the request would be one of; null: none, or one that would be made for it. */
  readonly session: string | null;
  readonly outcome: Outcome;
  /** Null: limpet would answer itself, see `error`. */
  readonly backend: string | null;
  /** False: another draw, or the turn of another worker, may choose another of `candidates`. */
  readonly certain: boolean;
  /** The backends that the choice is between, for a session that is not bound; empty otherwise. */
  readonly candidates: readonly ExplainCandidate[];
  /** What limpet would answer with; null: a backend answers. */
  readonly error: ErrorCode | null;
  /** Status of that answer. */
  readonly status: number | null;
  readonly steps: readonly ExplainStep[];
}
