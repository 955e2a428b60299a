import type { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';

/**
 * A copy of a row of the session table, taken under its lock: scratch that the caller owns and reuses. Its fields mean
 * something after a call that answered or set `state` LIVE or one of the two kinds of expired, and nothing otherwise.
 */
export class Row {
  /**
   * What the last call that filled this row found. Any value but LIVE and the expired ones: there is no backend,
   * `backend` is -1.
   */
  state: Lookup = Lookup.NONE;
  pool = -1;
  /** Slot of the backend. */
  backend = -1;
  /** Where the row stood, a hint for `SessionTable.touch`; -1: not known. */
  at = -1;
  /**
   * Stamp of the life of the backend that has the session's state, see BackendLife: one of an earlier life, or of a
   * backend that is gone (behaviours 12, 114).
   */
  generation = 0;
  /** When the session began, ms since epoch. */
  created = 0;
  /** The request before this one, ms since epoch; from a call that makes a row, and from `peek`, the latest request. */
  lastSeen = 0;
  /**
   * When its cookie was last sent, ms since epoch, to the millisecond for 24 days after `created` and to the second
   * after that; 0: never.
   */
  issued = 0;
  /** Requests so far, this one included; stays at 2^32 - 1. */
  requests = 0;
  /** Times it was moved to another backend; stays at 255. */
  moves = 0;
  /** Index into KEY_SOURCES. */
  by = 0;
  /** No backend has answered it yet. */
  provisional = false;
  /** Claimed here, and the store that nodes share has not said yet who has it. */
  pending = false;
  /** Slot it was moved from, as long as that has not been told to the application; -1 otherwise. */
  movedFrom = -1;
  /** Index into MOVE_REASONS; means something while `movedFrom` is not -1. */
  movedReason = 0;
  /** Slot that it had to leave when its backend was not available, where it may go back to; -1: none. */
  failbackTo = -1;
  /** The low 3 bits of the stamp of that backend's life. */
  failbackGeneration = 0;
  /** Hash of what it is bound to besides its backend, u32; 0: nothing. */
  binding = 0;
  /** The two words of the hash of whose session it is; both 0: not known. */
  userA = 0;
  userB = 0;
  /** The key that was asked for is another name of this session, whose own key is the four words of `session`. */
  joined = false;
  sessionA = 0;
  sessionB = 0;
  sessionC = 0;
  sessionD = 0;

  /** The key of the session itself, of a row that is `joined`. */
  sessionKey(into: Key): void {
    into.set(this.sessionA, this.sessionB, this.sessionC, this.sessionD);
  }

  /** Says that there is no session, so that nothing left over is taken for one. Answers the state it was given. */
  clear(state: Lookup): Lookup {
    this.state = state;
    this.pool = -1;
    this.backend = -1;
    this.movedFrom = -1;
    this.failbackTo = -1;
    this.binding = 0;
    this.userA = 0;
    this.userB = 0;
    this.provisional = false;
    this.pending = false;
    this.joined = false;
    return state;
  }
}
