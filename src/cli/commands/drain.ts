import { setTimeout } from 'node:timers/promises';
import type { AdminClient } from '../admin-client.ts';
import type { AdminOptions } from '../admin-options.ts';
import { type BackendName, backendName } from '../backend-name.ts';
import { CliError } from '../cli-error.ts';
import { count, NO_PROGRESS, ProgressBar, ProgressLines, type ProgressView } from '../drain-progress.ts';
import { type DrainEnd, type DrainLook, waitForDrain } from '../drain-wait.ts';
import { harmless, printJson, printLine } from '../output.ts';
import { withAdminClient } from '../with-admin-client.ts';

/** A table of a million sessions is gone through. */
const EVACUATE_MS = 120_000;

interface PoolDocument {
  readonly name: string;
  readonly backends?: readonly (DrainLook & { readonly id: string })[];
}

/**
 * `limpet backends drain POOL/ID --wait`: sets a backend to drain and waits until it has no session and no request
 * left.
 * @param deadline ms after which the sessions that are left are moved; null: they stay for as long as they want
 */
export async function drainAndWait(options: AdminOptions, backend: string, deadline: number | null): Promise<void> {
  const name = backendName(backend);
  const started = performance.now();
  const end = await withAdminClient(options, async (client) => {
    await client.call('PATCH', name.path, { state: 'drain' });
    return watch(client, name, deadline, progressOf(options, backend));
  });
  if (options.json) {
    printJson({
      pool: name.pool,
      id: name.id,
      drained: end.how === 'empty' || end.how === 'gone',
      sessions: end.sessions,
      activeRequests: end.requests,
      moved: end.moved,
      seconds: Math.round((performance.now() - started) / 100) / 10,
    });
  }
  tell(harmless(backend), end, options.json);
}

function progressOf({ json }: AdminOptions, backend: string): ProgressView {
  if (json) return NO_PROGRESS;
  return process.stdout.isTTY
    ? new ProgressBar(backend, process.stdout)
    : new ProgressLines(backend, () => performance.now());
}

async function watch(
  client: AdminClient,
  name: BackendName,
  deadline: number | null,
  progress: ProgressView,
): Promise<DrainEnd> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  // The second one ends the command as usual.
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    return await waitForDrain(
      {
        look: () => look(client, name),
        evacuate: () => evacuate(client, name),
        now: () => performance.now(),
        pause: (ms) => setTimeout(ms, undefined, { signal: interrupt.signal }).catch(() => {}),
        isInterrupted: () => interrupt.signal.aborted,
        show: (state) => progress.show(state),
      },
      deadline,
    );
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    progress.stop();
  }
}

async function look(client: AdminClient, { pool, id }: BackendName): Promise<DrainLook | null> {
  // Of all pools: one that was taken out of the configuration meanwhile is no failure.
  const document = (await client.call('GET', '/api/v1/pools')) as { pools?: readonly PoolDocument[] } | null;
  if (!Array.isArray(document?.pools)) throw notLimpet('pools');
  const found = (document.pools as readonly PoolDocument[]).find(({ name }) => name === pool);
  const backend = found?.backends?.find((candidate) => candidate.id === id);
  if (backend === undefined) return null;
  if (typeof backend.sessions !== 'number' || typeof backend.activeRequests !== 'number') throw notLimpet('sessions');
  return backend;
}

async function evacuate(client: AdminClient, { path }: BackendName): Promise<{ moved: number; stayed: number }> {
  const document = await client.call('POST', `${path}/evacuate`, {}, { timeoutMs: EVACUATE_MS });
  const { moved, stayed } = (document ?? {}) as { moved?: unknown; stayed?: unknown };
  if (typeof moved !== 'number' || typeof stayed !== 'number') throw notLimpet('moved');
  return { moved, stayed };
}

function notLimpet(missing: string): CliError {
  return new CliError(`the answer has no ${missing}: is this limpet's admin API, and of this version?`, 1);
}

/** @throws CliError when the backend has not drained */
function tell(name: string, { how, sessions, requests, moved }: DrainEnd, json: boolean): void {
  const also = moved === 0 ? '' : `; ${count(moved, 'session')} moved to other backends at the deadline`;
  switch (how) {
    case 'empty':
      if (!json) printLine(`${name} has drained: no session and no request is left${also}`);
      return;
    case 'gone':
      if (!json) printLine(`${name} has drained and left the configuration${also}`);
      return;
    case 'stayed':
      throw new CliError(
        `${name} still has ${count(sessions, 'session')} that may go nowhere else (failover.to, failover.onLost)${also}: bring another backend up and repeat the command, or end them`,
        1,
      );
    case 'ready':
      throw new CliError(`${name} was made ready again meanwhile${also}: repeat the command to drain it`, 1);
    case 'interrupted':
      throw new CliError(
        `interrupted with ${count(sessions, 'session')} and ${count(requests, 'request')} left: ${name} goes on draining${also}; limpet backends ready ${name} ends that`,
        1,
      );
  }
}
