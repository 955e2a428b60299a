import { randomBytes } from 'node:crypto';

/** What a visitor has in the shop. Plain JSON: it travels to the replica as it is. */
export interface SessionState {
  user: string | null;
  cart: { item: string; quantity: number }[];
  /** The server at which the first item went into the cart; null: nothing in it. */
  cartMadeAt: string | null;
  startedAt: number;
  startedBy: string;
  /** `state-lost`: the visitor came with the id of a session that this server does not have. */
  startedBecause: 'first-visit' | 'state-lost';
  /** What the load balancer said about moves, oldest first. */
  moves: { from: string; to: string; reason: string; at: number }[];
  /** Newest first. */
  orders: { number: string; items: { item: string; quantity: number }[]; server: string; at: number }[];
}

/** A session as it travels to the replica. No state: the session has ended, and its id stays refused for a while. */
export interface SessionCopy {
  readonly id: string;
  /** Counts the changes of the session, whichever server made them: a copy replaces only what has a lower one. */
  readonly version: number;
  readonly state: SessionState | null;
}

/** A session in the memory of one server. */
export interface SessionRecord {
  readonly id: string;
  version: number;
  state: SessionState | null;
  /** True: this server answers for it and copies its changes on. False: a copy that another server sent here. */
  owned: boolean;
  /** Requests that this server has answered for it. */
  served: number;
  /** ms since the epoch of the last request or copy. */
  touched: number;
}

interface ShopSessionLimits {
  /** Sessions kept; over it the one that was not used for the longest time goes. */
  readonly max: number;
  /** ms without a request or a copy after which a session is dropped. */
  readonly idle: number;
  /** ms for which the id of an ended session is kept, so that a late copy does not bring it back to life. */
  readonly ended: number;
}

const MAX_MOVES = 8;

/** The sessions of one shop server: its own, and the copies it holds for others. In memory only, on purpose. */
export class ShopSessions {
  readonly #records = new Map<string, SessionRecord>();
  readonly #now: () => number;
  readonly #limits: ShopSessionLimits;

  constructor(
    now: () => number = Date.now,
    limits: ShopSessionLimits = { max: 50_000, idle: 30 * 60_000, ended: 60_000 },
  ) {
    this.#now = now;
    this.#limits = limits;
  }

  /** The record of an id, an ended one too (its state is null), or undefined. */
  find(id: string): SessionRecord | undefined {
    return this.#records.get(id);
  }

  /** A new session of this server, with an id that nobody can guess. */
  create(server: string, because: SessionState['startedBecause']): SessionRecord {
    const now = this.#now();
    return this.#add(1, {
      user: null,
      cart: [],
      cartMadeAt: null,
      startedAt: now,
      startedBy: server,
      startedBecause: because,
      moves: [],
      orders: [],
    });
  }

  /** Says that a session was used, which puts it at the end of the queue of those that go when there are too many. */
  touch(record: SessionRecord): void {
    record.touched = this.#now();
    this.#records.delete(record.id);
    this.#records.set(record.id, record);
  }

  /** Counts a change: without it a copy of the record is ignored by the replica. */
  changed(record: SessionRecord): void {
    record.version += 1;
    record.owned = true;
    this.touch(record);
  }

  /** Remembers what the load balancer said about a move to this server. */
  noteMove(record: SessionRecord, state: SessionState, from: string, to: string, reason: string): void {
    state.moves.push({ from, to, reason, at: this.#now() });
    if (state.moves.length > MAX_MOVES) state.moves.shift();
    this.changed(record);
  }

  /** Gives a session a new id and ends the old one: an id that was planted before log-in is worth nothing after it. */
  rotate(record: SessionRecord, state: SessionState): SessionRecord {
    const next = this.#add(1, state);
    next.served = record.served;
    this.end(record);
    return next;
  }

  /** Ends a session. */
  end(record: SessionRecord): void {
    record.state = null;
    this.changed(record);
  }

  /** Takes a copy that another server sent; false when what is here is as new or newer, and stays. */
  apply(copy: SessionCopy): boolean {
    const record = this.#records.get(copy.id);
    if (record === undefined) {
      this.#keep({ ...copy, owned: false, served: 0, touched: this.#now() });
      return true;
    }
    if (copy.version <= record.version) return false;
    record.version = copy.version;
    record.state = copy.state;
    record.owned = false;
    this.touch(record);
    return true;
  }

  /** Ids of everything that this server answers for, ended sessions too. */
  owned(): string[] {
    const ids: string[] = [];
    for (const record of this.#records.values()) if (record.owned) ids.push(record.id);
    return ids;
  }

  /** How many sessions live here, and how many copies this server holds for another. */
  counts(): { sessions: number; copies: number } {
    let sessions = 0;
    let copies = 0;
    for (const record of this.#records.values()) {
      if (record.state === null) continue;
      if (record.owned) sessions += 1;
      else copies += 1;
    }
    return { sessions, copies };
  }

  /** Drops what has been idle for too long. To be called now and then. */
  sweep(): void {
    const now = this.#now();
    for (const record of this.#records.values()) {
      const limit = record.state === null ? this.#limits.ended : this.#limits.idle;
      if (now - record.touched > limit) this.#records.delete(record.id);
    }
  }

  #add(version: number, state: SessionState): SessionRecord {
    const id = randomBytes(16).toString('base64url');
    return this.#keep({ id, version, state, owned: true, served: 0, touched: this.#now() });
  }

  #keep(record: SessionRecord): SessionRecord {
    this.#records.set(record.id, record);
    // A Map keeps the order of insertion, and touch() renews it: the first is the one that was unused for the longest
    // time.
    for (const oldest of this.#records.keys()) {
      if (this.#records.size <= this.#limits.max) break;
      this.#records.delete(oldest);
    }
    return record;
  }
}
