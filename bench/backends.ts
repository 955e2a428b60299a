import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { assertRunning, type Processes, type Started } from './processes.ts';

/** One backend of the benchmark, on the loopback address. */
export interface Backend {
  readonly id: string;
  readonly port: number;
}

/** What the process of the backends tells. */
export type BackendsReply = { readonly backends: Backend[] } | { readonly served: number };

/** The backends, all in one process of their own. */
export interface Backends {
  readonly list: readonly Backend[];
  readonly process: Started;
  /** Requests that they have served since they started. */
  served(): Promise<number>;
}

/** What the backends answer. */
export interface BackendsSetting {
  readonly bodyBytes: number;
  /** Milliseconds before each answer. */
  readonly delay?: number;
  readonly ids?: readonly string[];
  /** Goes before the command (taskset). */
  readonly prefix: readonly string[];
}

/** Starts backends in one process; three when `ids` are not given. */
export async function startBackends(processes: Processes, setting: BackendsSetting): Promise<Backends> {
  const { bodyBytes, delay = 0, ids = ['a', 'b', 'c'], prefix } = setting;
  const script = fileURLToPath(new URL('./backends-process.ts', import.meta.url));
  const command = [...prefix, process.execPath, script, String(bodyBytes), String(delay), ...ids];
  const started = await processes.start('the backends', command, { ipc: true });
  const reply = await nextReply(started);
  return {
    list: 'backends' in reply ? reply.backends : [],
    process: started,
    async served() {
      const answer = nextReply(started);
      started.child.send('served?');
      const { served } = (await answer) as { served: number };
      return served;
    },
  };
}

async function nextReply(started: Started): Promise<BackendsReply> {
  const stop = new AbortController();
  const { signal } = stop;
  const reply = once(started.child, 'message', { signal }) as Promise<[BackendsReply]>;
  const exit = once(started.child, 'exit', { signal }).then(() => assertRunning(started));
  try {
    const first = await Promise.race([reply, exit]);
    return (first as [BackendsReply])[0];
  } finally {
    stop.abort();
    await Promise.allSettled([reply, exit]);
  }
}
