import { get } from 'node:http';
import { parseBind } from '../config/bind.ts';
import { StartError } from '../errors-start.ts';
import type { ControlPlane } from './control-plane.ts';
import { AdminServer } from './server.ts';

/** Between two tries to have the address of a limpet that stops. */
const TRY_MS = 100;
const ASK_MS = 2_000;

type Options = Parameters<typeof AdminServer.start>[0];
type Log = Parameters<typeof AdminServer.start>[2];

/**
 * The admin API's place at its address, which cannot be shared as those of listeners are: where another limpet has it
 * that stops or is about to, this one waits for it and takes traffic meanwhile (behaviour 47).
 */
export class AdminDoor {
  #server: AdminServer | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param takesOver the limpet that runs is going to be asked to stop
   * @throws StartError when the address cannot be had, also when a limpet has it that takes traffic and is to go on
   *   doing so
   */
  static async open(options: Options, control: ControlPlane, log: Log, takesOver: boolean): Promise<AdminDoor> {
    const door = new AdminDoor();
    try {
      door.#server = await AdminServer.start(options, control, log);
      return door;
    } catch (error) {
      const phase = error instanceof StartError ? await phaseAt(options.bind) : null;
      if (phase === null) throw error;
      if (phase !== 'stopping' && !takesOver) {
        throw new StartError(
          `admin.bind: a limpet runs and has ${options.bind}: stop it first, or replace it without losing a connection by start --take-over`,
          { cause: error },
        );
      }
    }
    log.info({ admin: options.bind }, 'the admin address belongs to a limpet that stops: it is taken when it is free');
    door.#again(options, control, log);
    return door;
  }

  /** Where it listens; null as long as it waits. */
  get address(): string | null {
    return this.#server?.address ?? null;
  }

  /** @param deadlineMs for requests that are under way */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#server?.close(Math.min(deadlineMs, 1_000));
  }

  #again(options: Options, control: ControlPlane, log: Log): void {
    this.#timer = setTimeout(async () => {
      try {
        const server = await AdminServer.start(options, control, log);
        if (this.#closed) return void server.close();
        this.#server = server;
        log.info({ admin: server.address }, 'the admin API listens');
      } catch {
        if (!this.#closed) this.#again(options, control, log);
      }
    }, TRY_MS);
  }
}

/** What the limpet at this address says of itself; null: nobody answers there, or something else does. */
function phaseAt(text: string): Promise<string | null> {
  const bind = parseBind(text);
  if ('error' in bind) return Promise.resolve(null);
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const wild = bind.kind === 'tcp' && (bind.host === '0.0.0.0' || bind.host === '::');
  const where =
    bind.kind === 'unix' ? { socketPath: bind.path } : { host: wild ? 'localhost' : bind.host, port: bind.port };
  const request = get({ ...where, path: '/readyz', timeout: ASK_MS, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      if (body.length < 10_000) body += text;
    });
    response.on('error', () => resolve(null));
    response.on('end', () => resolve(readPhase(body)));
  });
  request.on('timeout', () => request.destroy());
  request.on('error', () => resolve(null));
  return promise;
}

function readPhase(body: string): string | null {
  try {
    const { status, detail } = JSON.parse(body) as { status?: unknown; detail?: unknown };
    if (status === 'ready' || /^limpet is not ready: /.test(String(detail))) return 'ready';
    return /^limpet is (starting|stopping)\.$/.exec(String(detail))?.[1] ?? null;
  } catch {
    return null;
  }
}
