import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./backend-main.ts', import.meta.url));

/** An application server in a process of its own (see backend-main.ts). */
export class BackendProcess {
  readonly id: string;
  port = 0;
  #child: ChildProcess | null = null;
  readonly #boots: boolean;
  #starts = 0;

  /** @param boots each process of it names an id of its own in `Limpet-Backend` */
  constructor(id: string, boots = false) {
    this.id = id;
    this.#boots = boots;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Of the process that runs; undefined before it is started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it, the second time on the port of the first. */
  async start(): Promise<this> {
    const boot = this.#boots ? [`p${++this.#starts}`] : [];
    const child = fork(MAIN, [this.id, String(this.port), ...boot]);
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

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }
}

/** Starts one process for each id. */
export function startBackends(...ids: string[]): Promise<BackendProcess[]> {
  return Promise.all(ids.map((id) => new BackendProcess(id).start()));
}
