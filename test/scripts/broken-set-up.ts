/** Tests that must not pass, one a value of BROKEN: see run-tests.test.ts. Each starts processes that it never ends. */
import { spawn } from 'node:child_process';
import { before, test } from 'node:test';
import { BackendProcess } from '../support/backends.ts';
import { startLimpetProcess } from '../support/limpet.ts';

/** Starts a limpet and a server, and says which processes they are. */
async function start(): Promise<void> {
  const backend = await new BackendProcess('a').start();
  const limpet = await startLimpetProcess(
    `workers: 1\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
  );
  // A process of a process, which outlives both.
  const shell = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await shell.stdout.take(1).toArray();
  console.log(`processes: ${limpet.process.pid} ${shell.pid} ${String(line).trim()} ${backend.pid}`);
}

const how = process.env.BROKEN;
if (how === 'top') {
  await start();
  throw new Error('the set-up fails');
}
before(async () => {
  await start();
  if (how === 'before') throw new Error('the set-up fails');
  if (how === 'killed') process.kill(process.pid, 'SIGKILL');
  if (how === 'hangs') await new Promise(() => {});
});
test('a test', { skip: how === 'skipped' && 'because' }, () => {});
