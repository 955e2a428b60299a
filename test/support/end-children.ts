/**
 * Loaded by `npm test` before each file of tests: every process that the file starts ends with it, whatever happens. A
 * set-up that throws half-way, a test that is stopped by its timeout or a forgotten `after` leave nothing behind, and
 * nothing keeps the file alive.
 */
import { ChildProcess } from 'node:child_process';
import { isMainThread } from 'node:worker_threads';

/** More than any file takes: one that waits for ever at its top, where no test's timeout reaches. */
const LONGEST_MS = Number(process.env.LIMPET_TEST_FILE_MS ?? 15 * 60_000);

/** In the processes of files: not in the runner's, nor in those and the threads that tests start. */
if (process.env.NODE_TEST_CONTEXT === 'child-v8' && process.send === undefined && isMainThread) {
  const alive = new Set<ChildProcess>();
  const prototype = ChildProcess.prototype as unknown as { spawn(this: ChildProcess, options: object): number };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const result = spawn.call(this, options);
    if (this.pid !== undefined) {
      alive.add(this);
      this.once('exit', () => alive.delete(this));
    }
    return result;
  };
  process.on('exit', () => {
    const failed = process.exitCode !== undefined;
    for (const child of alive) {
      // One that has been asked to end may take its time.
      if (!child.killed && !failed) {
        const [program, ...args] = child.spawnargs;
        const shown = [program, ...args.filter((arg) => !arg.startsWith('--'))].join(' ');
        console.error(`left running, end it in an after(): ${shown}`);
        process.exitCode = 1;
      }
      child.kill('SIGKILL');
    }
  });
  // Of the runner, at a timeout. SIGINT comes from a terminal, and to everybody; tests raise it in their own process.
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
  setTimeout(() => {
    console.error(`not done after ${LONGEST_MS} ms`);
    process.exit(1);
  }, LONGEST_MS).unref();
}
