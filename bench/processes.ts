import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from './bench-error.ts';

const OUTPUT_KEPT = 4096;
/** How long the last output of a process that has ended is waited for: a child of its own may hold the pipe open. */
const LAST_OUTPUT_MS = 500;

/** A process that the benchmark started. */
export interface Started {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** The end of what it wrote to standard output and standard error. */
  output(): string;
  /** Resolves when it has ended and all its output has come. */
  readonly closed: Promise<unknown>;
}

/**
 * Every process that the benchmark starts. Each gets a process group of its own, so that its children end with it and
 * so that a Ctrl-C at the terminal reaches only the benchmark, which then stops them in order.
 */
export class Processes {
  readonly #running = new Set<Started>();
  readonly #stopDeadline: number;

  /** `stopDeadline`: milliseconds that a process has to end when asked. */
  constructor(stopDeadline = 3000) {
    this.#stopDeadline = stopDeadline;
  }

  /**
   * Starts `command`; with `ipc`, it can talk to its parent by `process.send`. Throws a BenchError when it cannot
   * start.
   */
  async start(name: string, command: readonly string[], options: { ipc?: boolean } = {}): Promise<Started> {
    const child = spawn(command[0]!, command.slice(1), {
      detached: true,
      stdio: options.ipc === true ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    let kept = '';
    const keep = (chunk: Buffer) => {
      kept = (kept + chunk.toString()).slice(-OUTPUT_KEPT);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    try {
      await once(child, 'spawn');
    } catch (cause) {
      throw new BenchError(`cannot start ${name} (${command[0]}): ${(cause as Error).message}`, { cause });
    }
    child.on('error', keep as never);
    const started: Started = { name, pid: child.pid!, child, output: () => kept.trim(), closed };
    this.#running.add(started);
    child.once('exit', () => this.#running.delete(started));
    return started;
  }

  /** Ends one process and its group: asked first, killed after the deadline. Resolves when it has ended. */
  async stop(started: Started): Promise<void> {
    if (hasEnded(started)) return;
    const exit = once(started.child, 'exit');
    signalGroup(started, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(started, 'SIGKILL'), this.#stopDeadline);
    await exit;
    clearTimeout(timer);
  }

  /** Ends every process that still runs. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((started) => this.stop(started)));
  }

  /** Kills every process that still runs, at once: for the way out when nothing can be awaited any more. */
  killAll(): void {
    for (const started of this.#running) signalGroup(started, 'SIGKILL');
  }
}

/** Throws a BenchError with the process's last output when it has ended. */
export function assertRunning(started: Started): void {
  if (!hasEnded(started)) return;
  const how = started.child.signalCode ?? `status ${started.child.exitCode}`;
  throw new BenchError(`${started.name} ended (${how}): ${started.output() || 'no output'}`);
}

/**
 * Resolves when `port` of the loopback address accepts a connection; a BenchError when the process ends or takes over a
 * minute.
 */
export async function waitForPort(started: Started, port: number): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await accepts(port))) {
    if (hasEnded(started)) await Promise.race([started.closed, delay(LAST_OUTPUT_MS, null, { ref: false })]);
    assertRunning(started);
    if (Date.now() > deadline) {
      throw new BenchError(`${started.name} does not listen on 127.0.0.1:${port} within a minute: ${started.output()}`);
    }
    await delay(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function hasEnded(started: Started): boolean {
  return started.child.exitCode !== null || started.child.signalCode !== null;
}

function signalGroup(started: Started, signal: NodeJS.Signals): void {
  try {
    process.kill(-started.pid, signal);
  } catch {
    // The group has ended on its own.
  }
}
