/** What can happen to a session, as the audit log calls it. */
export type SessionEventName =
  | 'created'
  | 'adopted'
  | 'moved'
  | 'rotated'
  | 'ended'
  | 'expired'
  | 'evicted'
  | 'refused'
  | 'binding-mismatch';

/** One event of a session. An empty text stands for a field that the event does not have. Nothing in it is a secret. */
export interface SessionEvent {
  readonly event: SessionEventName;
  /** Ms since epoch. */
  readonly time: number;
  /** The session's public id, of a rotated one the new one; never a cookie value, a token or a raw key. */
  readonly key: string;
  /** Name of the pool. */
  readonly pool: string;
  /** Id of the backend that it is bound to now, or was to the end. */
  readonly backend: string;
  /** Of a move the backend before, of a rotation the public id before. */
  readonly from: string;
  /** Why, as one word: what ended, moved or refused it. */
  readonly reason: string;
  /** Whose session it is, see sessions/users/user-hash.ts; both zero: nobody's that is known. */
  readonly userA: number;
  readonly userB: number;
  /** Address of the client whose request it came about by; empty when it was none. */
  readonly client: string;
}

/**
 * Takes the events of sessions for the audit log. Where one is noted there is `journal: SessionJournal | null`: null,
 * the audit log is off, and nothing is made.
 */
export interface SessionJournal {
  /** Notes an event. Never throws and never waits. */
  note(event: SessionEvent): void;
}
