import { Key } from '../../keys/key.ts';

/**
 * All that a row of the session table holds, as it goes from one process to another: scratch that its owner reuses.
 * `pool`, `backend` and `generation` are the numbers of the process that has it in hand; between processes pools and
 * backends go by name.
 */
export class RowRecord {
  readonly key = new Key();
  /** A tombstone: of the rest only `pool`, `created` and `lastSeen` mean something. */
  ended = false;
  /** No backend has answered it yet. */
  provisional = false;
  /** Claimed by its process, and the shared store has not said yet who has it. */
  pending = false;
  pool = 0;
  /** Slot of the backend. */
  backend = 0;
  /** Stamp of the life of the backend that the session is bound to, see BackendLife. */
  generation = 0;
  /** Of a row that comes in: the stamps of the first and of the latest life of that backend. */
  firstStamp = 0;
  latestStamp = 0;
  /** Index into KEY_SOURCES. */
  by = 0;
  /** From 1 to 2^32 - 1. */
  requests = 0;
  /** When its cookie was last sent, ms since epoch; 0: never. */
  issued = 0;
  /** When the session began, ms since epoch. */
  created = 0;
  /** The latest request, ms since epoch; of a tombstone, until when it stands. */
  lastSeen = 0;
  /** Times it was moved to another backend, up to 255. */
  moves = 0;
  /** Slot it was moved from, as long as that has not been told to the application; -1 otherwise. */
  movedFrom = -1;
  /** Index into MOVE_REASONS. */
  movedReason = 0;
  /** Of this process only, see Row. */
  failbackTo = -1;
  failbackGeneration = 0;
  /** Hash of what it is bound to besides its backend, as a signed word; 0: nothing. */
  bindingHash = 0;
  /** The two words of the hash of whose session it is; both 0: not known. */
  userA = 0;
  userB = 0;
  /** Another name of the session whose key is `session`: no session of its own. */
  joined = false;
  readonly session = new Key();

  /** All but the key as if it was new. */
  clear(): void {
    this.ended = false;
    this.provisional = false;
    this.pending = false;
    this.joined = false;
    this.pool = 0;
    this.backend = 0;
    this.generation = 0;
    this.by = 0;
    this.requests = 0;
    this.issued = 0;
    this.created = 0;
    this.lastSeen = 0;
    this.moves = 0;
    this.movedFrom = -1;
    this.movedReason = 0;
    this.failbackTo = -1;
    this.failbackGeneration = 0;
    this.bindingHash = 0;
    this.userA = 0;
    this.userB = 0;
  }

  copy(from: RowRecord): void {
    this.key.copy(from.key);
    this.ended = from.ended;
    this.provisional = from.provisional;
    this.pending = from.pending;
    this.pool = from.pool;
    this.backend = from.backend;
    this.generation = from.generation;
    this.firstStamp = from.firstStamp;
    this.latestStamp = from.latestStamp;
    this.by = from.by;
    this.requests = from.requests;
    this.issued = from.issued;
    this.created = from.created;
    this.lastSeen = from.lastSeen;
    this.moves = from.moves;
    this.movedFrom = from.movedFrom;
    this.movedReason = from.movedReason;
    this.failbackTo = from.failbackTo;
    this.failbackGeneration = from.failbackGeneration;
    this.bindingHash = from.bindingHash;
    this.userA = from.userA;
    this.userB = from.userB;
    this.joined = from.joined;
    this.session.copy(from.session);
  }
}
