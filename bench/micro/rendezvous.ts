/** What a choice by rendezvous hashing costs, over 3, 10 and 50 backends, in ns of CPU time. `node bench/micro/rendezvous.ts` */
import type { Backend } from '../../src/backends/backend.ts';
import { nameHash } from '../../src/backends/name-hash.ts';
import { rendezvous } from '../../src/balancing/rendezvous.ts';
import { Key } from '../../src/sessions/key.ts';
import { spread } from '../statistics.ts';

const PICKS = 500_000;
const ROUNDS = 5;

function backendsOf(count: number): Backend[] {
  return Array.from({ length: count }, (_, slot) => ({
    id: `b${slot}`,
    pool: 'shop',
    poolIndex: 0,
    slot,
    generation: 1,
    since: 0,
    departing: false,
    socketPath: null,
    secure: false,
    host: '127.0.0.1',
    port: 9000 + slot,
    authority: `127.0.0.1:${9000 + slot}`,
    url: `http://127.0.0.1:${9000 + slot}`,
    backup: false,
    maxRequests: 0,
    replicas: [],
    hash: nameHash(`shop/b${slot}`),
  }));
}

/** Nanoseconds a choice. */
function run(backends: readonly Backend[], weights: Float64Array): number {
  const weightOf = ({ slot }: Backend): number => weights[slot]!;
  const key = new Key();
  let sum = 0;
  const start = process.cpuUsage();
  for (let i = 0; i < PICKS; i++) {
    key.set(Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca6b), i, i);
    sum += rendezvous(backends, backends.length, key, weightOf).slot;
  }
  const { user, system } = process.cpuUsage(start);
  // Used, so that the loop is not optimized away.
  if (sum < 0) throw new Error('unreachable');
  return ((user + system) * 1000) / PICKS;
}

const cases = [3, 10, 50].flatMap((count) => {
  const backends = backendsOf(count);
  return [
    { name: `${count} backends, equal weights`, backends, weights: new Float64Array(count).fill(1) },
    {
      name: `${count} backends, different weights`,
      backends,
      weights: Float64Array.from({ length: count }, (_, i) => i + 1),
    },
  ];
});
// Rounds are interleaved, so that a busy moment of the machine falls on all cases alike; the first one warms up.
const times = cases.map((): number[] => []);
for (let round = 0; round <= ROUNDS; round++) {
  for (const [index, { backends, weights }] of cases.entries()) {
    const ns = run(backends, weights);
    if (round > 0) times[index]!.push(ns);
  }
}
for (const [index, { name }] of cases.entries()) {
  const { median, min, max } = spread(times[index]!);
  console.log(`${name}: ${median.toFixed(0)} ns a choice (${min.toFixed(0)} to ${max.toFixed(0)})`);
}
