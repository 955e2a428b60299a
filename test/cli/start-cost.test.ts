/**
 * What a start costs: CPU time of the compiled limpet against that of Node alone, since machines differ and are busy.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { quickest } from '../support/quickest.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** The run of all tests makes dist; a test that runs alone tests what is there. */
const skip = existsSync(MAIN) ? false : 'there is no dist: npm run build';
const directory = mkdtempSync(join(tmpdir(), 'limpet-cost-'));
after(() => rmSync(directory, { recursive: true }));
/** Where what V8 has compiled is kept, as it is between the starts of an installed limpet. */
const env = { CACHE_DIRECTORY: directory };

/** Times what Node alone costs; 4 and 16 when this was written, and 34 for a start that loads each source by itself. */
const HELP = 7;
const START = 28;

/** CPU time in ms of a Node that runs these arguments to their end. */
function cost(args: readonly string[]): number {
  const report = join(directory, 'report.cjs');
  const line = `process.on('exit', () => require('node:fs').writeSync(2, '\\n' + JSON.stringify(process.cpuUsage())));`;
  writeFileSync(report, line);
  const ran = spawnSync(process.execPath, ['--require', report, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  assert.equal(ran.status, 0, ran.stderr);
  const { user, system } = JSON.parse(ran.stderr.split('\n').at(-1)!) as NodeJS.CpuUsage;
  return (user + system) / 1000;
}

/** The least of several: what a busy machine adds is not counted. */
const bare = () => Math.min(...[1, 2, 3, 4, 5].map(() => cost(['-e', '0'])));

test('limpet --help loads next to nothing: a few times the CPU time of Node alone', { skip }, async () => {
  cost([MAIN, '--help']);
  const most = HELP * bare();
  const least = await quickest(most, async () => cost([MAIN, '--help']));
  assert.ok(least < most, `${least} ms of CPU, ${most} are allowed`);
});

test('limpet start has answered its first request before it has cost much: a bound by the CPU time of Node alone', {
  skip: process.platform === 'linux' ? skip : 'CPU time of a running process is read from /proc',
}, async (context) => {
  const backend = await new HttpBackend('a').start();
  context.after(() => backend.stop());
  const yaml = `workers: 1\npools: { shop: { backends: [{ id: a, url: "${backend.url}" }] } }\n`;
  const most = START * bare();
  const least = await quickest(most, async () => {
    const limpet = await startLimpetProcess(yaml, { main: MAIN, env });
    try {
      assert.equal((await fetch(limpet.url)).status, 200);
      const fields = readFileSync(`/proc/${limpet.process.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
      // In hundredths of a second on all Linux systems (proc_pid_stat(5): utime and stime).
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } finally {
      await limpet.stop();
    }
  });
  assert.ok(least < most, `${least} ms of CPU, ${most} are allowed`);
});
