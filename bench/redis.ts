import { BenchError } from './bench-error.ts';
import { freePorts } from './free-ports.ts';
import { findProgram } from './machine.ts';
import { type Processes, waitForPort } from './processes.ts';

/** Starts a Redis that keeps nothing on disk; returns its address. `prefix` goes before the command (taskset). */
export async function startRedis(processes: Processes, prefix: readonly string[], directory: string): Promise<string> {
  const program = findProgram('redis-server') ?? findProgram('valkey-server');
  if (program === null) throw new BenchError('redis-server is not installed (apt-get install redis-server)');
  const [port] = await freePorts(1);
  const options = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    directory,
  ];
  const started = await processes.start('redis', [...prefix, program, ...options]);
  await waitForPort(started, port!);
  return `redis://127.0.0.1:${port}/0`;
}
