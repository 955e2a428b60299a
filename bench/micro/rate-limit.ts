/** What a rate limit costs a request. `node bench/micro/rate-limit.ts` */

import { Key } from '../../src/keys/key.ts';
import { RateLimiter } from '../../src/limits/rate-limiter.ts';
import { RateTable } from '../../src/limits/rate-table.ts';
import { MACHINE_TIME } from '../../src/timing/machine-time.ts';
import { printCost } from './print-cost.ts';

const KEYS = 10_000;

const table = new RateTable(RateTable.allocate(1 << 20), 2);
const config = { per: 'session', rate: { count: 50, perMs: 1_000 }, burst: 100 } as const;
const limiter = new RateLimiter('shop', config, Buffer.alloc(32, 7), table);
const word = (): number => Math.floor(Math.random() * 2 ** 32) | 0;
const keys = Array.from({ length: KEYS }, () => {
  const key = new Key();
  key.set(word(), word(), word(), word());
  return key;
});
const addresses = Array.from({ length: 4_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`);
const now = (): number => performance.now() + MACHINE_TIME;

const subjects: Record<string, (n: number) => unknown> = {
  'the time (in all of the following)': () => now(),
  'session, 10 000 of them': (n) => limiter.takeOfSession(keys[(n * 7919) % KEYS]!, now()),
  'session, always the same one, over its limit': () => limiter.takeOfSession(keys[0]!, now()),
  'address, 4 000 of them': (n) => limiter.takeOfAddress(addresses[(n * 7919) % addresses.length]!, now()),
};

for (const [name, run] of Object.entries(subjects)) printCost(name, run);
