import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMPET_MAIN } from './limpet-main.ts';

export interface LimpetProcess {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  readonly port: number;
  /** Of all listeners, in their order. */
  readonly ports: readonly number[];
  /** Base address of the admin API. */
  readonly admin: string;
  readonly process: ChildProcess;
  /** Every line of its log so far, parsed. */
  readonly log: Record<string, unknown>[];
  /** Settles with the first log line, past or future, that passes. Rejects after `ms`, and when limpet has ended. */
  logged(test: (line: Record<string, unknown>) => boolean, ms?: number): Promise<Record<string, unknown>>;
  /** Standard error so far. */
  stderr(): string;
  /** SIGTERM, and waits for its end; SIGKILL when that takes too long. */
  stop(): Promise<void>;
}

/**
 * Starts limpet as a process of its own from a configuration as YAML text, and settles when it takes traffic.
 * `listeners` and `admin` may be left out of the text: then they are on free ports.
 * @param options.main what is started instead of this limpet: another version's command line
 * @param options.openFiles limit on open files (ulimit -n) that it runs under
 */
export async function startLimpetProcess(
  yaml: string,
  options: { env?: Record<string, string>; args?: string[]; openFiles?: number; main?: string } = {},
): Promise<LimpetProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'limpet-test-'));
  const file = join(directory, 'limpet.yaml');
  const head =
    (/^listeners:/m.test(yaml) ? '' : 'listeners: [{ bind: "127.0.0.1:0" }]\n') +
    (/^admin:/m.test(yaml) ? '' : 'admin: { bind: "127.0.0.1:0" }\n');
  await writeFile(file, head + yaml);
  const command = [process.execPath, options.main ?? LIMPET_MAIN, 'start', '-c', file, ...(options.args ?? [])];
  const limited = ['sh', '-c', `ulimit -n ${options.openFiles}; exec "$@"`, 'sh', ...command];
  const [program, ...args] = options.openFiles === undefined ? command : limited;
  // What the whole run is started with stays: see scripts/test-engines.ts.
  const nodeOptions = [process.env.NODE_OPTIONS, options.env?.NODE_OPTIONS].filter((one) => one !== undefined);
  const child = spawn(program!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...options.env, NODE_OPTIONS: nodeOptions.join(' ') },
  });
  const log: Record<string, unknown>[] = [];
  const watchers = new Set<() => void>();
  let stderr = '';
  let rest = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) log.push(JSON.parse(line) as Record<string, unknown>);
    for (const watcher of watchers) watcher();
  });
  let closed = false;
  child.on('close', () => {
    closed = true;
    for (const watcher of watchers) watcher();
  });
  const logged: LimpetProcess['logged'] = (test, ms = 60_000) => {
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    let seen = 0;
    const done = (): void => {
      clearTimeout(timer);
      watchers.delete(look);
    };
    const fail = (why: string): void => {
      done();
      reject(new Error(`no such log line ${why}; stderr: ${stderr}; last lines: ${JSON.stringify(log.slice(-5))}`));
    };
    const timer = setTimeout(() => fail(`within ${ms} ms`), ms);
    const look = (): void => {
      for (; seen < log.length; seen++) {
        if (!test(log[seen]!)) continue;
        done();
        resolve(log[seen]!);
        return;
      }
      if (closed) fail('before limpet ended');
    };
    watchers.add(look);
    look();
    return promise;
  };
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
      await ended;
      clearTimeout(timer);
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const ready = await Promise.race([
      logged((line) => line.msg === 'limpet takes traffic', 180_000),
      ended.then(([code]) => {
        throw new Error(`limpet ended with status ${String(code)} before it took traffic: ${stderr}`);
      }),
    ]);
    const urls = ready.listeners as string[];
    const ports = urls.map((url) => Number(new URL(url).port));
    return {
      url: urls[0]!,
      port: ports[0]!,
      ports,
      admin: String(ready.admin),
      process: child,
      log,
      logged,
      stderr: () => stderr,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
