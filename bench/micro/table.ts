/** What each operation of the session table costs when its rows are in the cache (10 000 sessions). `node bench/micro/table.ts` */
import { Key } from '../../src/sessions/key.ts';
import { Row, SessionTable } from '../../src/sessions/table.ts';
import { spread } from '../statistics.ts';

const SESSIONS = 10_000;
const OPERATIONS = 200_000;
const ROUNDS = 9;
const T = Date.now();

const memory = SessionTable.allocate(SESSIONS, 1024);
const table = new SessionTable(memory, 2);
const row = new Row();
const word = (): number => Math.floor(Math.random() * 2 ** 32) | 0;
const keys = Array.from({ length: SESSIONS * 2 }, () => {
  const key = new Key();
  key.set(word(), word(), word(), word());
  return key;
});
const known = (n: number): Key => keys[(n * 7919) % SESSIONS]!;
const unknown = (n: number): Key => keys[SESSIONS + ((n * 7919) % SESSIONS)]!;
for (let n = 0; n < SESSIONS; n++) table.adopt(keys[n]!, 0, 0, 1, 0, T, T, row);

const subjects: Record<string, (n: number) => unknown> = {
  'picking a key (in all of the following)': (n) => known(n).a,
  'lookup, hit': (n) => table.lookup(known(n), T, 1e9, 1e9, row),
  'lookup, miss': (n) => table.lookup(unknown(n), T, 1e9, 1e9, row),
  peek: (n) => table.peek(known(n), T, row),
  confirm: (n) => table.confirm(known(n), 0, T),
  setIssued: (n) => table.setIssued(known(n), T),
  'move, lost': (n) => table.move(known(n), 5, 6, 1, 0, T, row),
  'move, won': (n) => table.move(known(n), 0, 0, 1, 0, T, row),
  'claim, lost': (n) => table.claim(known(n), 0, 0, 1, 0, T, row),
  'claim and remove': (n) => {
    table.claim(unknown(n), 0, 0, 1, 0, T, row);
    table.remove(unknown(n));
  },
  'end (tombstone stands)': (n) => table.end(unknown(n % 100), T, T + 1000),
  'sweep of one bucket': () => table.sweep(1, T),
  'sessions(slot)': () => table.sessions(3),
};
// Full, the table would evict the sessions that the others look for.
table.remove(known(0));
for (const [name, run] of Object.entries(subjects)) {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = process.cpuUsage();
    for (let n = 0; n < OPERATIONS; n++) run(n);
    const { user, system } = process.cpuUsage(begin);
    if (round > 0) times.push(((user + system) * 1000) / OPERATIONS);
  }
  const { median, min, max } = spread(times);
  console.log(`${name}: ${median.toFixed(0)} ns (${min.toFixed(0)} to ${max.toFixed(0)})`);
}
