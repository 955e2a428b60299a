import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

const MAIN = fileURLToPath(new URL('./shared-port-main.ts', import.meta.url));

/** Server processes behind a port that stays open while they come and go (see shared-port-main.ts). */
export class SharedPort {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async open(...ids: string[]): Promise<SharedPort> {
    const port = await freePort();
    const child = fork(MAIN, [String(port)]);
    await once(child, 'message');
    const shared = new SharedPort(port, child);
    for (const id of ids) await shared.start(id);
    return shared;
  }

  start(id: string): Promise<void> {
    return this.#tell({ start: id });
  }

  /** SIGKILL. */
  kill(id: string): Promise<void> {
    return this.#tell({ kill: id });
  }

  /** It takes no new connections, and ends when the last one has. */
  leave(id: string): Promise<void> {
    return this.#tell({ leave: id });
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  async #tell(message: object): Promise<void> {
    const done = once(this.#child, 'message');
    this.#child.send(message);
    await done;
  }
}
