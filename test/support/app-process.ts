import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * An application server in a process of its own, from a script that takes its id and its port (0: any), sends
 * `{ port }` to its parent when it listens, and ends when its parent does.
 */
export class AppProcess {
  readonly id: string;
  port = 0;
  readonly #script: string;
  #child: ChildProcess | null = null;

  constructor(script: URL, id: string) {
    this.#script = fileURLToPath(script);
    this.id = id;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    const child = fork(this.#script, [this.id, String(this.port)]);
    this.#child = child;
    const listening = once(child, 'message') as Promise<[{ port: number }]>;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`server ${this.id} ended with status ${String(code)} before it listened`);
    });
    const [{ port }] = await Promise.race([listening, ended]);
    ended.catch(() => {});
    this.port = port;
    return this;
  }

  /** Sends it a message, and settles with what it answers. */
  async tell(message: object): Promise<Record<string, unknown>> {
    const child = this.#child;
    if (child === null) throw new Error(`server ${this.id} is not running`);
    const answered = once(child, 'message') as Promise<[Record<string, unknown>]>;
    child.send(message);
    return (await answered)[0];
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

/** Starts one process of `script` for each id. */
export function startApps(script: URL, ...ids: string[]): Promise<AppProcess[]> {
  return Promise.all(ids.map((id) => new AppProcess(script, id).start()));
}
