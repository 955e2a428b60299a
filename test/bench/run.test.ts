import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions } from '../../bench/options.ts';
import { Processes } from '../../bench/processes.ts';
import { type Measured, problem, type Report } from '../../bench/report/report.ts';
import { writeReport } from '../../bench/report/write.ts';
import { runSuite } from '../../bench/suite.ts';

const onLinux = { skip: process.platform === 'linux' ? false : 'needs /proc' };

/** Runs the suite with these options; nothing of it is left when it has ended. */
async function bench(options: string): Promise<Report> {
  const processes = new Processes();
  const directory = await mkdtemp(join(tmpdir(), 'limpet-bench-test-'));
  try {
    return await runSuite({
      options: parseOptions(`--quick --no-install --source --load autocannon ${options}`.split(' ')),
      command: 'test',
      processes,
      directory,
      progress: () => {},
    });
  } finally {
    await processes.stopAll();
    await rm(directory, { recursive: true });
  }
}

test(
  'one short round of limpet and the floor, closed loop and at a fixed rate, gives valid figures and a report',
  onLinux,
  async () => {
    const report = await bench(
      '--cases 60b --proxies limpet,floor --rounds 1 --seconds 1 --warmup 0 --connections 4 --sessions 32 --rate 200',
    );
    assert.deepEqual(report.failed, []);
    const [plain] = report.cases;
    assert.ok(plain?.kind === 'requests');
    assert.ok((plain.ceiling ?? 0) > 0);
    assert.deepEqual(
      plain.proxies.map(({ name }) => name),
      ['limpet', 'floor'],
    );
    for (const measured of plain.proxies) assertFigures(measured);
    const folder = await mkdtemp(join(tmpdir(), 'limpet-bench-test-'));
    try {
      writeReport(folder, report);
      const written = JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as Report;
      assert.equal(written.cases.length, 1);
      assert.match(written.cases[0]!.proxies[0]!.configuration, /pools:\n {2}bench:/);
      assert.ok(existsSync(join(folder, 'report.html')) && existsSync(join(folder, 'report.txt')));
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

function assertFigures({ closed, paced, peakMemory }: Measured): void {
  assert.equal(problem(closed), null);
  assert.equal(problem(paced), null);
  assert.equal(paced[0]?.requests, 200);
  const [{ total, user, system, p50, p99, p999 } = paced[0]!] = closed;
  assert.ok(total > 1 && Math.abs(user + system - total) < 1e-6, `${total} µs`);
  assert.ok(p50 > 0 && p99 >= p50 && p999 >= p99);
  assert.ok(peakMemory > 0);
}
