import type { IncomingMessage } from 'node:http';
import { ShopError } from './shop-error.ts';
import type { SessionRecord, SessionState, ShopSessions } from './shop-sessions.ts';

/** A request of a visitor, with the session it belongs to. */
export interface Visit {
  readonly record: SessionRecord;
  readonly state: SessionState;
  /** The visitor has to be told the id. */
  readonly isNew: boolean;
  /** What the replica has to have before the visitor is answered. */
  readonly changed: SessionRecord[];
}

const COOKIE = 'shopsid';
const ID = /^[\w-]{22}$/;
/** ms in which a request that left before the log-in was answered may still come with the old id. */
const ROTATION_GRACE = 5000;

/** Finds the session of a request, and makes one where there is none. */
export class ShopVisits {
  readonly #server: string;
  readonly #sessions: ShopSessions;
  readonly #now: () => number;

  constructor(server: string, sessions: ShopSessions, now: () => number) {
    this.#server = server;
    this.#sessions = sessions;
    this.#now = now;
  }

  /**
   * The session that a request names, when this server has it. Notes the load balancer's word about a move, which comes
   * once.
   */
  find(request: IncomingMessage): Visit | null {
    for (const id of ids(request.headers.cookie)) {
      const record = this.#sessions.find(id);
      if (record === undefined || record.state === null) continue;
      const { state, version } = record;
      const moved = readMoved(request.headers['limpet-session-moved']);
      if (moved !== null) this.#sessions.noteMove(record, state, moved.from, this.#server, moved.reason);
      // A copy that is asked for here has moved here: from now on this server answers for it, and copies it on.
      else if (!record.owned) this.#sessions.changed(record);
      else this.#sessions.touch(record);
      return { record, state, isNew: false, changed: record.version === version ? [] : [record] };
    }
    return null;
  }

  /**
   * The session of a request; a fresh one where it names none that is known here. The visitor's id is never taken over:
   * whoever planted it would know the session.
   */
  enter(request: IncomingMessage): Visit {
    const known = this.find(request);
    if (known !== null) return known;
    const named = ids(request.headers.cookie);
    const ended = named.map((id) => this.#sessions.find(id)).find((record) => record !== undefined);
    if (ended !== undefined && this.#now() - ended.touched < ROTATION_GRACE) {
      // The answer with the new id is on its way: a fresh session here would overwrite it in the browser.
      throw new ShopError(409, 'session-changed', 'This session has just ended or got a new id: ask again.', {
        'retry-after': '1',
      });
    }
    const because = named.length > 0 && ended === undefined ? 'state-lost' : 'first-visit';
    const record = this.#sessions.create(this.#server, because);
    const state = record.state as SessionState;
    const moved = readMoved(request.headers['limpet-session-moved']);
    if (moved !== null) this.#sessions.noteMove(record, state, moved.from, this.#server, moved.reason);
    return { record, state, isNew: true, changed: [record] };
  }

  /** The Set-Cookie line that gives the visitor an id, or takes it away (null). */
  cookie(request: IncomingMessage, id: string | null): string {
    const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : '';
    const value = id === null ? `${COOKIE}=; Max-Age=0` : `${COOKIE}=${id}`;
    return `${value}; Path=/; HttpOnly; SameSite=Lax${secure}`;
  }
}

/** Every well-formed id that the Cookie header names: a path or a domain can shadow one cookie with another. */
function ids(header: string | undefined): string[] {
  const found: string[] = [];
  for (const pair of (header ?? '').split(';')) {
    const [name, value = ''] = pair.trim().split('=', 2);
    if (name === COOKIE && ID.test(value)) found.push(value);
  }
  return found;
}

/** `from=a; reason=backend-down`, as limpet sends it on the first request after a move. */
function readMoved(header: string | string[] | undefined): { from: string; reason: string } | null {
  if (typeof header !== 'string') return null;
  const match = /^from=([\w.-]{1,64}); ?reason=([\w.-]{1,64})$/.exec(header.trim());
  return match === null ? null : { from: match[1] ?? '', reason: match[2] ?? '' };
}
