/** The composition root: configuration in, running parts out. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { AdminChange } from './admin/admin-change.ts';
import type { Phase } from './admin/control-plane.ts';
import { LiveControlPlane } from './admin/live-control-plane.ts';
import { AdminServer } from './admin/server.ts';
import { loadSecrets } from './affinity/secrets.ts';
import { buildPools } from './backends/build-pools.ts';
import type { Pool } from './backends/pool.ts';
import { SharedState } from './backends/shared-state.ts';
import { SlotRegistry } from './backends/slots.ts';
import { parseBind } from './config/bind.ts';
import type { Config } from './config/schema.ts';
import { StartError } from './errors-start.ts';
import { HealthMonitor } from './health/monitor.ts';
import { connectionAllowance } from './listeners/connection-allowance.ts';
import { ConnectionLimits } from './listeners/connection-limits.ts';
import { openFilesLimit } from './listeners/open-files.ts';
import { LogOutput } from './logging/log-output.ts';
import { createLogger, type Logger } from './logging/logger.ts';
import { loadPrettyFormat } from './logging/pretty-format.ts';
import { Counters } from './metrics/counters.ts';
import { RareTotals } from './metrics/rare-totals.ts';
import { SessionTable } from './sessions/table.ts';
import { Supervisor } from './workers/supervisor.ts';

/** Backends that fit into the shared memory, removed ones that still drain included. */
const SLOTS = 1_024;

export interface RunningLimpet {
  /** Where it listens, such as `http://127.0.0.1:8080`, in the order of the configuration. */
  readonly addresses: readonly string[];
  /** Where the admin API listens; null when there is none. */
  readonly adminAddress: string | null;
  /** Finishes what is under way, for `graceMs` at most. */
  stop(graceMs: number): Promise<void>;
  /** Ends at once. */
  stopNow(): void;
}

/**
 * Starts limpet in this process.
 * @param options.configFile for messages; null when the configuration came from elsewhere
 * @throws StartError with one line that says what to do
 */
export async function startLimpet({ config }: { config: Config; configFile: string | null }): Promise<RunningLimpet> {
  const startedAt = Date.now();
  const output = new LogOutput(config.log.format === 'pretty' ? await loadPrettyFormat() : null);
  const log = createLogger(config.log.level, output);
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers;
  const { secrets, warning } = loadSecrets(config.sessions.secretFile);
  if (warning !== null) log.warn({}, warning);

  // Shared memory.
  const stateMemory = SharedState.allocate(workers, SLOTS);
  const tableMemory = SessionTable.allocate(config.sessions.max, SLOTS, workers + 1);
  const counters = Counters.allocate(workers, Object.keys(config.pools).length, SLOTS, config.listeners.length);
  const perIp = config.listeners.some((listener) => listener.limits.connectionsPerIp > 0);
  const backends = Object.values(config.pools).reduce((sum, pool) => sum + pool.backends.length, 0);
  const openFiles = openFilesLimit();
  const allowance = connectionAllowance(openFiles, workers, config.listeners.length, backends);
  const wanted = config.listeners.reduce((sum, listener) => sum + listener.limits.connections, 0);
  if (wanted > allowance.connections) {
    log.info(
      { openFiles, connections: allowance.connections },
      'the limit on open files (ulimit -n) allows fewer connections than limits.connections',
    );
  }
  const limits = ConnectionLimits.allocate(workers, config.listeners.length, perIp, allowance);
  const state = new SharedState(stateMemory, -1);
  const table = new SessionTable(tableMemory, 1);

  // The running model.
  const slots = new SlotRegistry(SLOTS, (slot) => state.active(slot) > 0);
  for (const [name, pool] of Object.entries(config.pools)) {
    for (const backend of pool.backends) {
      state.reset(slots.assign(name, backend.id).slot, { admin: backend.state, weight: backend.weight });
    }
  }
  const pools = buildPools(config, slots.assignments);
  for (const pool of pools) table.setLimits(pool.index, pool.config.session.idle, pool.config.session.lifetime);

  const rare = new RareTotals();
  const supervisor = new Supervisor({
    config,
    workers,
    start: { slots: slots.assignments, secrets, state: stateMemory, table: tableMemory, counters, limits },
    state,
    table,
    rare,
    output,
    log,
  });
  const monitor = new HealthMonitor({
    state,
    logger: log,
    onChange: ({ backend, to }) => {
      if (to === 'down' || to === 'ejected') supervisor.broadcast({ kind: 'down', slot: backend.slot });
    },
  });

  let phase: Phase = 'starting';
  const addresses = (): string[] =>
    config.listeners.map(({ bind }, i) => listenerAddress(bind, supervisor.ports[i] ?? 0));
  const control = new LiveControlPlane({
    version: version(),
    startedAt,
    now: Date.now,
    phase: () => phase,
    pools: (): readonly Pool[] => pools,
    configGeneration: () => 1,
    listeners: () => addresses().map((address, i) => ({ bind: config.listeners[i]!.bind, address })),
    workers: { running: () => supervisor.running, restarts: () => supervisor.restarts },
    state,
    table,
    counters,
    rare,
    onAdminChange: (change) => {
      logChange(log, change);
      // Maintenance stops bound traffic too: what waits for an answer there may go elsewhere (behaviour 39).
      if (change.kind === 'backend' && change.after.state === 'maintenance' && change.before.state !== 'maintenance') {
        const backend = pools.find(({ name }) => name === change.pool)?.byId.get(change.backend);
        if (backend !== undefined) supervisor.broadcast({ kind: 'down', slot: backend.slot });
      }
    },
  });

  let admin: AdminServer | null = null;
  const close = async (graceMs: number): Promise<void> => {
    await supervisor.stop(graceMs);
    await monitor.stop();
    await admin?.close();
    await output.close();
  };
  try {
    const { bind } = config.admin;
    admin = bind === null ? null : await AdminServer.start({ ...config.admin, bind }, control, log);
    monitor.start(pools);
    await supervisor.start();
  } catch (error) {
    await close(0);
    throw error instanceof Error ? error : new StartError(String(error));
  }
  phase = 'ready';
  log.info(
    { version: version(), workers, listeners: addresses(), admin: admin?.address ?? null },
    'limpet takes traffic',
  );
  return {
    addresses: addresses(),
    adminAddress: admin?.address ?? null,
    stop: async (graceMs) => {
      phase = 'stopping';
      log.info({ graceMs }, 'limpet stops');
      await close(graceMs);
    },
    stopNow: () => output.flushSync(),
  };
}

function listenerAddress(bind: string, port: number): string {
  const parsed = parseBind(bind);
  if ('error' in parsed || parsed.kind === 'unix') return bind;
  return `http://${parsed.host.includes(':') ? `[${parsed.host}]` : parsed.host}:${port}`;
}

function logChange(log: Logger, change: AdminChange): void {
  const { kind, ...fields } = change;
  log.info(
    fields,
    {
      backend: 'backend changed by an operator',
      'session-ended': 'session ended by an operator',
      'session-moved': 'session moved by an operator',
    }[kind],
  );
}

let known = '';

/** Version of this limpet, from its package.json. */
export function version(): string {
  known ||= (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;
  return known;
}
