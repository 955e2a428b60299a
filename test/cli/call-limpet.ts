import type { TestContext } from 'node:test';
import { format } from 'node:util';
import { run } from '../../src/cli/run.ts';
import type { Ended } from './run-limpet.ts';

/** Runs a command in this process, which takes a hundredth of the time of a process of its own. */
export async function callLimpet(context: TestContext, args: readonly string[]): Promise<Ended> {
  const { FORCE_COLOR } = process.env;
  delete process.env.FORCE_COLOR;
  const stdout = context.mock.method(console, 'log', () => {});
  const stderr = context.mock.method(console, 'error', () => {});
  try {
    const status = await run(args);
    return { status, stdout: printed(stdout.mock.calls), stderr: printed(stderr.mock.calls) };
  } finally {
    stdout.mock.restore();
    stderr.mock.restore();
    if (FORCE_COLOR !== undefined) process.env.FORCE_COLOR = FORCE_COLOR;
  }
}

function printed(calls: readonly { readonly arguments: readonly unknown[] }[]): string {
  return calls.map((call) => `${format(...call.arguments)}\n`).join('');
}
