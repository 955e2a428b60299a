// Probes a port where nobody listens in a process that has no file descriptor left, and prints what comes of it.
import { openSync, writeSync } from 'node:fs';
import { poolSchema } from '../../src/config/pool-schema.ts';
import { httpProbe } from '../../src/health/http-probe.ts';
import { tcpProbe } from '../../src/health/tcp-probe.ts';
import { testPool } from '../backends/test-pool.ts';

const url = `http://127.0.0.1:${process.argv[2]}`;
const config = poolSchema.parse({ health: { active: { interval: '60s', timeout: '30s' } } }).health.active!;
const results: unknown[] = [];
async function probeAll(): Promise<void> {
  for (const [factory, http2] of [
    [httpProbe, false],
    [httpProbe, true],
    [tcpProbe, false],
  ] as const) {
    const { pool } = testPool([{ id: 'a', url }], { http2 });
    results.push(await factory(config, pool.config, 'shop').check(pool.backends[0]!, new AbortController().signal));
  }
}
await probeAll();
try {
  for (;;) openSync('/dev/null', 'r');
} catch {
  await probeAll();
}
writeSync(1, JSON.stringify(results));
process.exit();
