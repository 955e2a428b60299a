/**
 * What counting one proxied request costs. CPU time, so other work on the machine counts little. `node
 * bench/micro/counters.ts`
 */
import { Counters } from '../../src/metrics/counters.ts';
import { Outcome } from '../../src/metrics/outcomes.ts';
import { spread } from '../statistics.ts';

const REQUESTS = 2_000_000;
const ROUNDS = 7;

const counters = new Counters(Counters.allocate(2, 8, 1024, 2), 1);
const times: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const start = process.cpuUsage();
  for (let i = 0; i < REQUESTS; i++) {
    const slot = i % 3;
    counters.request(0, slot, i % 50 === 0 ? 404 : 200, 0, 60, (i % 1000) / 250);
    counters.backendResponse(slot, (i % 1000) / 300);
    counters.affinity(0, Outcome.bound);
  }
  const { user, system } = process.cpuUsage(start);
  times.push(((user + system) * 1000) / REQUESTS);
}
const { median, min, max } = spread(times.slice(1));
console.log(`${median.toFixed(1)} ns a request (${min.toFixed(1)} to ${max.toFixed(1)})`);
