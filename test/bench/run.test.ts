import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions } from '../../bench/options.ts';
import { Processes } from '../../bench/processes.ts';
import { problem } from '../../bench/report.ts';
import { run } from '../../bench/run.ts';

const onLinux = { skip: process.platform === 'linux' ? false : 'needs /proc' };

test('one short round of the floor, closed loop and at a fixed rate, gives valid figures', onLinux, async () => {
  const processes = new Processes();
  const directory = await mkdtemp(join(tmpdir(), 'limpet-bench-test-'));
  const options = parseOptions('--only floor --rounds 1 --seconds 1 --warmup 0 --connections 4 --rate 200'.split(' '));
  try {
    const report = await run({ options, command: 'test', processes, directory, progress: () => {} });
    const [floor] = report.proxies;
    assert.equal(floor?.name, 'floor');
    assert.equal(problem(floor.closed), null);
    assert.equal(problem(floor.paced), null);
    assert.equal(floor.paced[0]?.requests, 200);
    const [{ total, user, system, p50, p99 } = floor.paced[0]!] = floor.closed;
    assert.ok(total > 1 && Math.abs(user + system - total) < 1e-6, `${total} µs`);
    assert.ok(p50 > 0 && p99 >= p50);
    assert.ok(report.ceiling > 0 && floor.peakMemory > 0);
  } finally {
    await processes.stopAll();
    await rm(directory, { recursive: true });
  }
});
