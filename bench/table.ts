/**
 * The session table at several sizes: what a lookup and a claim cost, what a session weighs, whether the garbage
 * collector notices. `node bench/table.ts`; `--large` adds ten million sessions (1 GB of memory, half a minute).
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { Key } from '../src/keys/key.ts';
import { Row, SessionTable } from '../src/sessions/table/table.ts';
import { lookupCost } from './lookup-cost.ts';
import { machine } from './machine.ts';
import { setNthKey } from './nth-key.ts';
import { spread } from './statistics.ts';

const ROUNDS = 7;
const OPERATIONS = 200_000;
const SLOTS = 1024;
const THREADS = 5;
const IDLE = 30 * 60_000;

let longestPause = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) longestPause = Math.max(longestPause, entry.duration);
}).observe({ entryTypes: ['gc'] });

const key = new Key();
const row = new Row();

/** CPU time of this process, ns: unlike the time of day it does not count what others did meanwhile. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

function perOperation(operations: number, run: () => void): number {
  const begin = cpu();
  run();
  return (cpu() - begin) / operations;
}

interface Figures {
  readonly sessions: string;
  readonly 'hit, ns': string;
  readonly 'miss, ns': string;
  readonly 'claim, ns': string;
  readonly 'claim when full, ns': string;
  readonly 'sweep, ns a session': string;
  readonly 'bytes a session': string;
  readonly 'evicted by filling': string;
  readonly 'longest GC pause, ms': string;
}

async function measure(max: number): Promise<Figures> {
  const memory = SessionTable.allocate(max, SLOTS, THREADS);
  const table = new SessionTable(memory, 2);
  table.setLimits(0, IDLE, 0);
  let now = Date.now();
  longestPause = 0;
  const filling = perOperation(max, () => {
    for (let n = 0; n < max; n++) {
      setNthKey(key, n);
      table.claim(key, 0, n & 7, 1, 0, now, row);
    }
  });
  const evicted = table.evictions / max;

  const hits: number[] = [];
  const misses: number[] = [];
  const sweeps: number[] = [];
  let share = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    now += 1000;
    const { hit, miss, found } = lookupCost(table, max, now, IDLE);
    share += found / (ROUNDS + 1);
    const buckets = Math.min(table.buckets, OPERATIONS / 8);
    const sweep = perOperation(buckets * (max / table.buckets), () => table.sweep(buckets, now));
    // The first round runs code that is not compiled yet.
    if (round === 0) continue;
    hits.push(hit);
    misses.push(miss);
    sweeps.push(sweep);
  }
  if (share < 0.99) throw new Error(`only ${share} of the lookups found their session`);

  const claims: number[] = [];
  const few = Math.min(OPERATIONS / 4, max);
  for (let round = 0; round < ROUNDS; round++) {
    const from = max + round * few;
    claims.push(
      perOperation(few, () => {
        for (let n = from; n < from + few; n++) {
          setNthKey(key, n);
          table.claim(key, 0, n & 7, 1, 0, now, row);
        }
      }),
    );
  }
  // Pauses are reported in a turn of their own.
  await setImmediate();
  const median = (values: number[]): string => spread(values).median.toFixed(0);
  return {
    sessions: max.toLocaleString('en'),
    'hit, ns': median(hits),
    'miss, ns': median(misses),
    'claim, ns': filling.toFixed(0),
    'claim when full, ns': median(claims),
    'sweep, ns a session': median(sweeps),
    'bytes a session': (memory.buffer.byteLength / max).toFixed(1),
    'evicted by filling': `${(evicted * 100).toFixed(3)} %`,
    'longest GC pause, ms': longestPause.toFixed(1),
  };
}

const { cpu: model, cores, node, loadBefore } = machine();
console.log(
  `${model}, ${cores} cores, Node ${node}, load ${loadBefore} before; CPU time, medians of ${ROUNDS} rounds; keys are random, so is memory access`,
);
// Once for the compiler.
await measure(5000);
const figures: Figures[] = [];
for (const max of process.argv.includes('--large') ? [10_000, 1_000_000, 10_000_000] : [10_000, 1_000_000])
  figures.push(await measure(max));
const names = Object.keys(figures[0]!) as (keyof Figures)[];
for (const name of names) console.log(name.padEnd(24) + figures.map((column) => column[name].padStart(14)).join(''));
