import type { Key } from '../../src/keys/key.ts';
import { calls, moduleOf, type Pass, type Suite } from './pass.ts';

type KeyModule = typeof import('../../src/keys/key.ts');
type TableModule = typeof import('../../src/sessions/table/table.ts');

const SESSIONS = 10_000;
const T = Date.now();

/** What each operation of the session table costs when its rows are in the cache (10 000 sessions). */
export const table: Suite = async (root) => {
  const { Key: KeyClass } = await moduleOf<KeyModule>(root, 'src/keys/key.ts', 'src/sessions/key.ts');
  const { Row, SessionTable } = await moduleOf<TableModule>(
    root,
    'src/sessions/table/table.ts',
    'src/sessions/table.ts',
  );
  const sessions = new SessionTable(SessionTable.allocate(SESSIONS, 1024), 2);
  const row = new Row();
  let state = 1;
  const word = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0);
  const keys = Array.from({ length: SESSIONS * 2 }, () => {
    const key = new KeyClass();
    key.set(word(), word(), word(), word());
    return key;
  });
  const known = (n: number): Key => keys[(n * 7919) % SESSIONS]!;
  const unknown = (n: number): Key => keys[SESSIONS + ((n * 7919) % SESSIONS)]!;
  for (let n = 0; n < SESSIONS; n++) sessions.adopt(keys[n]!, 0, 0, 1, 0, T, T, row);
  // Full, the table would evict the sessions that the others look for.
  sessions.remove(known(0));
  const subjects: Record<string, (n: number) => unknown> = {
    'picking a key (in all of the following)': (n) => known(n).a,
    'lookup, hit': (n) => sessions.lookup(known(n), T, 1e9, 1e9, row),
    'lookup, miss': (n) => sessions.lookup(unknown(n), T, 1e9, 1e9, row),
    peek: (n) => sessions.peek(known(n), T, row),
    confirm: (n) => sessions.confirm(known(n), 0, T),
    setIssued: (n) => sessions.setIssued(known(n), T),
    'move, lost': (n) => sessions.move(known(n), 5, 6, 1, 0, T, row),
    'move, won': (n) => sessions.move(known(n), 0, 0, 1, 0, T, row),
    'claim, lost': (n) => sessions.claim(known(n), 0, 0, 1, 0, T, row),
    'claim and remove': (n) => {
      sessions.claim(unknown(n), 0, 0, 1, 0, T, row);
      sessions.remove(unknown(n));
    },
    'end (tombstone stands)': (n) => sessions.end(unknown(n % 100), T, T + 1000),
    'sweep of one bucket': () => sessions.sweep(1, T),
    'sessions(slot)': () => sessions.sessions(3),
  };
  const passes = Object.entries(subjects).map(([name, work]): [string, Pass] => [name, calls(work)]);
  return Object.fromEntries(passes);
};
