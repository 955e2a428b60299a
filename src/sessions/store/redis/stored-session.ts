import { MOST_LIVES } from '../../../backends/known-lives.ts';
import { LATEST_MS } from '../../table/sane-row.ts';

/** What Redis says of a session; see the head of scripts.ts. Times in ms since epoch. */
export interface StoredSession {
  readonly verdict: 'made' | 'stands' | 'ended' | 'none';
  /** Name of its pool. */
  readonly pool: string;
  /** Id of its backend; '' in a tombstone. */
  readonly backend: string;
  readonly created: number;
  /** 0 in a change: just now. */
  readonly lastSeen: number;
  readonly moves: number;
  /** No backend has answered it yet. */
  readonly provisional: boolean;
  /** Until when it stays ended; 0: it lives. */
  readonly until: number;
  /** Index into KEY_SOURCES. */
  readonly by: number;
  /** Hash of what it is bound to besides its backend, u32; 0: not known, or to nothing. */
  readonly binding: number;
  /** The two words of the hash of whose session it is, signed; both 0: not known. */
  readonly userA: number;
  readonly userB: number;
  /** Public id of the session that this is another name of; '': of none. */
  readonly joined: string;
  /** Number of the life of its backend that it is bound to; 0: not known, limpet 0.1 has written it. */
  readonly life: number;
}

/** Reads the answer of a script. @throws Error when it is none: somebody else writes to these keys. */
export function parseStoredSession(answer: unknown): StoredSession {
  if (answer === 'none') return NONE;
  const [verdict, backend, created, lastSeen, moves, provisional, until, pool, by, hashes, joined, life] =
    String(answer).split('\n');
  if (verdict !== 'made' && verdict !== 'stands' && verdict !== 'ended') throw unreadable(answer);
  if (backend === undefined || pool === undefined) throw unreadable(answer);
  return {
    verdict,
    pool,
    backend,
    created: number(created, answer, LATEST_MS),
    lastSeen: number(lastSeen, answer, LATEST_MS),
    moves: number(moves, answer, 255),
    provisional: provisional === '1',
    until: number(until, answer, LATEST_MS),
    by: number(by, answer, 255),
    ...parseHashes(hashes ?? '', answer),
    joined: joined ?? '',
    life: number(life === undefined || life === '' ? '0' : life, answer, MOST_LIVES),
  };
}

/** The same; null when it is none: one session that cannot be read says nothing of the store. */
export function readStoredSession(answer: unknown): StoredSession | null {
  try {
    return parseStoredSession(answer);
  } catch {
    return null;
  }
}

/** The life in a field `l`, as a stored session has it, see scripts.ts. @param seen the field `s` beside it */
export function lifeAt(text: string, seen: string): string {
  const [life, at] = text.split(',');
  return at === seen ? life! : '';
}

/** One line of `{prefix}changes`: what a node changed of a session. */
interface Change {
  /** Who changed it. */
  readonly node: string;
  /** Public id. */
  readonly id: string;
  readonly stored: StoredSession;
}

/** Reads a message of the channel; null when it is none. */
export function parseChange(text: string): Change | null {
  const [node, op, id, pool, backend, created, moves, by, until, hashes, joined, life] = text.split('\n');
  if (node === undefined || id === undefined || until === undefined) return null;
  if (op !== 'bound' && op !== 'ended') return null;
  try {
    const verdict = op === 'bound' ? 'stands' : 'ended';
    return {
      node,
      id,
      stored: parseStoredSession(
        [verdict, backend, created, 0, moves, 0, until, pool, by, hashes ?? '', joined ?? '', life ?? ''].join('\n'),
      ),
    };
  } catch {
    return null;
  }
}

const NONE: StoredSession = {
  verdict: 'none',
  pool: '',
  backend: '',
  created: 0,
  lastSeen: 0,
  moves: 0,
  provisional: false,
  until: 0,
  by: 0,
  binding: 0,
  userA: 0,
  userB: 0,
  joined: '',
  life: 0,
};

/** The hashes of a session as one field: three words in hexadecimal; '' for none. */
export function formatHashes(binding: number, userA: number, userB: number): string {
  if ((binding | userA | userB) === 0) return '';
  return [binding, userA, userB].map((word) => (word >>> 0).toString(16)).join(',');
}

/** Reads what `formatHashes` has written. @throws Error as `parseStoredSession` does */
export function parseHashes(text: string, answer: unknown = text): Pick<StoredSession, 'binding' | 'userA' | 'userB'> {
  if (text === '') return { binding: 0, userA: 0, userB: 0 };
  if (!/^[0-9a-f]{1,8}(?:,[0-9a-f]{1,8}){2}$/.test(text)) throw unreadable(answer);
  const [binding, userA, userB] = text.split(',').map((word) => Number.parseInt(word, 16));
  return { binding: binding!, userA: userA! | 0, userB: userB! | 0 };
}

function number(text: string | undefined, answer: unknown, most = Number.MAX_SAFE_INTEGER - 1): number {
  const value = Number(text);
  if (text === undefined || text === '' || !(value >= 0 && value <= most)) throw unreadable(answer);
  return value;
}

function unreadable(answer: unknown): Error {
  return new Error(`a session in Redis is not in limpet's form: ${JSON.stringify(answer)?.slice(0, 200)}`);
}
